/** Training runs that never were, for pages to look at: of each problem type, and some that are hard to show. */

/** Any of them that is obeyed is seen: scripts and handlers set `window.planted`, the others load something. */
export const HOSTILE = [
  `</script><script>window.planted = 1</script>`,
  `"><img src=x onerror="window.planted = 2">`,
  `'><svg onload='window.planted = 3'>`,
  `</title></style></textarea><iframe srcdoc="<script>top.planted = 4</script>"></iframe>`,
  `<link rel=stylesheet href=//example.invalid/a.css><img src=https://example.invalid/a.png>`,
  `&lt;script&gt; &#60;b&#62; javascript:window.planted=5`,
  "\u202eright to left\u202c \u2066isolated\0\u0007\u001b[31m\ud800 lone",
  "a".repeat(5000),
  "שלום עולם and العربية beside English",
  "two\nlines\tand a tab; 😀 👩‍👩‍👧 電影很好看",
];

const WORDS =
  "the film a plot music actor scene was is dull bright slow great never always ending and of but".split(
    " ",
  );

/** Mulberry32: the same numbers each time. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Box and Muller. */
const normal = (next) => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

function texts(rows, next) {
  const sentence = () =>
    Array.from(
      { length: 5 + Math.floor(next() * 60) },
      () => WORDS[Math.floor(next() * WORDS.length)],
    ).join(" ");
  return Array.from({ length: rows }, (_, row) => HOSTILE[row] ?? sentence());
}

function steps(count, next, groups) {
  return Array.from({ length: count }, (_, i) => {
    const done = (i + 1) / count;
    const share = Math.min(1, 10 * done) * (1 - done);
    return {
      step: i + 1,
      epoch: 3 * done,
      loss: 0.2 + 0.6 * Math.exp(-4 * done) + 0.12 * Math.abs(normal(next)),
      learningRates: groups.map((name) => (name.startsWith("head") ? 1e-3 : 5e-5) * share),
      gradNorm: 1 + 2 * Math.exp(-3 * done) + 0.5 * Math.abs(normal(next)),
      seconds: 0.4 * (i + 1),
    };
  });
}

function evaluations(stepRecords, count, names, next) {
  return Array.from({ length: count }, (_, i) => {
    const at = stepRecords[Math.floor(((i + 1) * stepRecords.length) / count) - 1];
    const done = (i + 1) / count;
    const loss = 0.3 + 0.45 * Math.exp(-5 * done) + 0.1 * done + 0.02 * normal(next);
    const metrics = names.map((name, k) => [
      name,
      0.9 - 0.5 * Math.exp(-4 * done) - 0.03 * k + 0.01 * normal(next),
    ]);
    return {
      step: at.step,
      epoch: at.epoch,
      metrics: { loss, ...Object.fromEntries(metrics) },
      seconds: at.seconds,
    };
  });
}

const GROUPS = ["encoder", "encoder, no decay", "head", "head, no decay"];

function run(name, seed, evaluation, metricNames, { stepCount = 900, evaluationCount = 12 } = {}) {
  const next = numbers(seed);
  const stepRecords = steps(stepCount, next, GROUPS);
  const records = evaluations(stepRecords, evaluationCount, metricNames, next);
  const best = records[Math.floor(records.length * 0.7)];
  return {
    name,
    groups: GROUPS,
    steps: stepRecords,
    evaluations: records,
    best: best
      ? { step: best.step, metric: metricNames[0], value: best.metrics[metricNames[0]] }
      : null,
    options: {
      epochs: 3,
      batchSize: 32,
      learningRate: 5e-5,
      schedule: "linear",
      warmupRatio: 0.1,
      note: HOSTILE[0],
      classWeights: { good: 1, bad: 2.5 },
    },
    config: {
      model_type: "bert",
      hidden_size: 384,
      id2label: { 0: HOSTILE[0] },
      bert_cnn: { filter_sizes: [3, 4, 5] },
    },
    versions: { bertcnn: "0.1.0", libtorch: "2.13.0", node: "20.20.2" },
    data: {
      "rows trained on": 9600,
      "rows evaluated": evaluation?.texts.length ?? 0,
      "rows skipped": 3,
      file: "reviews.csv",
    },
    stopped: "early stopping",
    evaluation,
  };
}

function singleLabel(labels, rows, seed) {
  const next = numbers(seed);
  const targets = Int32Array.from({ length: rows }, () =>
    Math.floor(next() ** 1.5 * labels.length),
  );
  const logits = Float32Array.from({ length: rows * labels.length }, (_, i) => {
    const right = i % labels.length === targets[Math.floor(i / labels.length)];
    return 1.8 * normal(next) + (right ? 3 + Math.log(labels.length / 2) : 0);
  });
  return {
    problemType: "single_label_classification",
    labels,
    texts: texts(rows, next),
    logits,
    targets,
  };
}

function multiLabel(labels, rows, seed) {
  const next = numbers(seed);
  const targets = Float32Array.from({ length: rows * labels.length }, () => Number(next() < 0.3));
  const logits = targets.map((target) => 1.5 * normal(next) + (target ? 1.5 : -2));
  return {
    problemType: "multi_label_classification",
    labels,
    texts: texts(rows, next),
    logits,
    targets,
  };
}

function regression(labels, rows, seed) {
  const next = numbers(seed);
  const targets = Float32Array.from({ length: rows * labels.length }, () =>
    Math.round(next() * 9 + 1),
  );
  const logits = targets.map((target) => 1.2 + 0.8 * target + normal(next));
  return { problemType: "regression", labels, texts: texts(rows, next), logits, targets };
}

const CATEGORIES =
  "Arts,Automotive,Books,Business,Cooking & Baking,Economy,Education,Fashion,Film,Gardening and Landscape Architecture,Health,History,Law,Music,Nature,Politics,Science,Sport,Technology,Travel".split(
    ",",
  );

const CLASSIFICATION = ["f1_macro", "accuracy", "f1_weighted", "matthews", "roc_auc"];

/**
 * @param {typeof import("../../src/metrics/metrics.cjs").computeMetrics} computeMetrics
 * @returns {Record<string, object>} by what is worth looking at
 */
export function reportRuns(computeMetrics) {
  const runs = Object.entries(plainRuns()).map(([name, record]) => {
    if (!record.evaluation) return [name, record];
    const { problemType, labels, logits, targets } = record.evaluation;
    const metrics = computeMetrics({ problemType, labels, logits, targets });
    return [name, { ...record, evaluation: { ...record.evaluation, metrics } }];
  });
  const { extreme, ...others } = Object.fromEntries(runs);
  return { ...others, extreme: spoiled(extreme) };
}

function plainRuns() {
  const spam = singleLabel(["ham", "spam"], 800, 1);
  return {
    "single-label": run("Spam or ham", 11, spam, CLASSIFICATION),
    "twenty-classes": run(
      "Newsgroups by topic",
      12,
      singleLabel(CATEGORIES, 4000, 2),
      CLASSIFICATION,
      { stepCount: 20_000, evaluationCount: 60 },
    ),
    "multi-label": run(
      "Tags of questions",
      13,
      multiLabel(["bug", "feature", "question", "documentation", HOSTILE[1], HOSTILE[6]], 600, 3),
      ["f1_macro", "f1_micro", "subset_accuracy"],
    ),
    regression: run("Ratings of films", 14, regression(["rating"], 3000, 4), [
      "pearson",
      "spearman",
      "mse",
    ]),
    hostile: run(
      HOSTILE[0],
      15,
      singleLabel([HOSTILE[0], HOSTILE[1], HOSTILE[6], HOSTILE[7]], 200, 5),
      [HOSTILE[2], HOSTILE[3]],
    ),
    "many-classes": run(
      "Sixty classes",
      16,
      singleLabel(
        Array.from({ length: 60 }, (_, i) => `class ${i + 1}`),
        3000,
        6,
      ),
      CLASSIFICATION,
    ),
    outputs: run("Three scores", 17, regression(["arousal", "valence", "dominance"], 400, 7), [
      "pearson",
      "mse",
    ]),
    "one-step": run("One step", 18, null, [], { stepCount: 1, evaluationCount: 0 }),
    extreme: run("Everything goes wrong", 20, regression(["score"], 50, 8), ["pearson", "mse"]),
    empty: {
      ...run("Nothing happened", 19, null, [], { stepCount: 0, evaluationCount: 0 }),
      groups: [],
      options: {},
      data: {},
      versions: {},
    },
  };
}

/** What goes wrong in training: NaN, infinity, numbers without measure, null where JSON had none. */
function spoiled(base) {
  const values = [NaN, Infinity, 1e38, 1e-30, -1e300, null];
  const stepRecords = base.steps.map((step, i) => ({
    ...step,
    loss: i % 7 < 6 && i > 400 ? values[i % 7] : 1e12 * step.loss,
    gradNorm: i > 300 ? NaN : 10 ** (i / 10 - 10),
  }));
  const records = base.evaluations.map((record, i) => ({
    ...record,
    metrics: { ...record.metrics, pearson: null, mse: i === 3 ? 1e30 : NaN },
  }));
  const evaluation = {
    ...base.evaluation,
    logits: base.evaluation.logits.map((z, i) => (i % 5 === 0 ? NaN : 1e30 * z)),
  };
  return {
    ...base,
    steps: stepRecords,
    evaluations: records,
    evaluation,
    best: { step: 400, metric: "mse", value: NaN },
    stopped: "aborted",
  };
}
