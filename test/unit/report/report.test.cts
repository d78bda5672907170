import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import path from "node:path";

import { writeReport } from "../../../src/report/report.cjs";
import type { RunRecord } from "../../../src/report/run-record.cjs";
import { expectError } from "../support/rejection.cjs";
import { evaluated, evaluation, runRecord, step, temporaryFolder } from "./support.cjs";

async function pageOf(fields: Partial<RunRecord> = {}): Promise<string> {
  const file = path.join(temporaryFolder(), "report.html");
  await writeReport(file, runRecord(fields));
  return readFileSync(file, "utf8");
}

/** The page's words, as somebody reads them. */
const wordsOf = (page: string) =>
  page
    .replace(/<(style|title)[^>]*>.*?<\/\1>/gs, " ")
    .replace(/<[^>]*>/g, " ")
    .replace(/&#39;/g, "'")
    .replace(/&quot;/g, '"')
    .replace(/\s+/g, " ");

const count = (page: string, pattern: RegExp) => [...page.matchAll(pattern)].length;

const singleLabel = evaluated({
  problemType: "single_label_classification",
  labels: ["bad", "good"],
  logits: Float32Array.of(4, 0, 0, 4, 3, 0),
  targets: Int32Array.of(0, 1, 1),
});

const multiLabel = evaluated({
  problemType: "multi_label_classification",
  labels: ["bug", "question"],
  logits: Float32Array.of(4, -4, -4, -4),
  targets: Float32Array.of(1, 1, 0, 0),
});

describe("writeReport", () => {
  it("tells what was trained, how it ended and what was best", async () => {
    const words = wordsOf(await pageOf({ evaluation: singleLabel }));
    expect(words).toContain("Single-label classification, 2 labels. The run completed.");
    expect(words).toContain("best accuracy 0.8 at step 5");
    expect(words).toContain("steps 10 1 epochs");
  });

  it.each([
    ["early stopping", "stopped early"],
    ["aborted", "was aborted"],
    ["max steps", "reached its last step"],
  ] as const)("of a run that ended by %s says that it %s", async (stopped, words) => {
    expect(wordsOf(await pageOf({ stopped }))).toContain(`Training run. The run ${words}.`);
  });

  it("gives the last evaluation's loss where nothing was best", async () => {
    expect(wordsOf(await pageOf({ best: null }))).toContain("last evaluation loss 0.1 ");
  });

  it("draws a chart of loss, gradient norm, learning rates and each metric", async () => {
    const page = await pageOf();
    const titles = [...page.matchAll(/<h3>(.*?)<\/h3>/g)].map(([, title]) => title);
    expect(titles).toEqual(["Loss", "Gradient norm", "Learning rates", "accuracy"]);
    expect(count(page, /<svg role="img" aria-label="[^"]+"/g)).toBe(4);
    expect(page).toContain("training: from 1 at step 1 to 0.1 at step 10.");
    expect(page).toContain("<title>step 5\ntraining: 0.2\nevaluation: 0.2</title>");
  });

  it("shows a long curve smoothed, thinned and with a bounded number of tips", async () => {
    const steps = Array.from({ length: 20_000 }, (_, i) => step(i + 1));
    const page = await pageOf({ steps });
    expect(wordsOf(page)).toContain("training, smoothed");
    expect(count(page, /<rect class="tip"/g)).toBe(60 + 60 + 60 + 2);
    expect(page.length).toBeLessThan(300_000);
  });

  it("draws groups with the same learning rates once, and lists them", async () => {
    const words = wordsOf(await pageOf());
    expect(words).toContain("encoder and 1 more head");
    expect(words).toContain("Groups with the same learning rates encoder; encoder, no decay");
    expect(wordsOf(await pageOf({ groups: ["encoder"] }))).not.toContain("Groups with the same");
  });

  it("has the metrics of the best and the last evaluation, and says which they are", async () => {
    const words = wordsOf(await pageOf());
    expect(words).toContain(
      "metric best, step 5 step 10 loss 0.2000 0.1000 accuracy 0.8000 0.9000",
    );
    const best = { step: 10, metric: "accuracy", value: 0.9 };
    expect(wordsOf(await pageOf({ best }))).toContain("metric best, step 10 loss 0.1000");
  });

  it("folds the charts of many metrics", async () => {
    const metrics = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`m${String(i)}`, i]));
    expect(wordsOf(await pageOf({ evaluations: [evaluation(5, metrics)] }))).toContain(
      "Charts of 3 more metrics",
    );
  });

  it("of a single label has a confusion matrix, metrics of each class and a reliability diagram", async () => {
    const words = wordsOf(await pageOf({ evaluation: singleLabel }));
    expect(words).toContain("bad good bad 1 100 % 0 0 % good 1 50 % 1 50 %");
    expect(words).toContain("bad 1 0.500 1.000 0.667 good 2 1.000 0.500 0.667");
    expect(words).toContain("Expected calibration error 0.3");
  });

  it("has no share for a class without rows, and narrow columns for many classes", async () => {
    const labels = Array.from({ length: 6 }, (_, i) => `class ${String(i)}`);
    const rows = evaluated({
      problemType: "single_label_classification",
      labels,
      logits: Float32Array.of(1, 0, 0, 0, 0, 0),
      targets: Int32Array.of(0),
    });
    const page = await pageOf({ evaluation: rows });
    expect(page).toContain('class="matrix narrow"');
    expect(wordsOf(page)).toContain("class 1 0 – 0 –");
  });

  it("of very many classes has the most frequent confusions", async () => {
    const labels = Array.from({ length: 41 }, (_, i) => `class ${String(i)}`);
    const logits = new Float32Array(3 * 41);
    for (const [row, predicted] of [7, 7, 8].entries()) logits[row * 41 + predicted] = 1;
    const rows = evaluated({
      problemType: "single_label_classification",
      labels,
      logits,
      targets: Int32Array.of(2, 2, 2),
    });
    const words = wordsOf(await pageOf({ evaluation: rows }));
    expect(words).toContain("Most frequent confusions: 2 of 2");
    expect(words).toContain("class 2 class 7 2 67 % class 2 class 8 1 33 %");
  });

  it("of several labels has metrics of each and what each example was given", async () => {
    const words = wordsOf(await pageOf({ evaluation: multiLabel }));
    expect(words).toContain("bug 1 1.000 1.000 1.000 question 1 0.000 0.000 0.000");
    expect(words).toContain(
      "text 0 target bug 0.982 , question 0.018 prediction bug 0.982 loss 2.018",
    );
    expect(words).toContain("text 1 target none prediction none");
  });

  it("gives labels by their thresholds and probabilities by the temperature", async () => {
    const calibrated = { ...multiLabel, temperature: 2, thresholds: [0.9, 0.1] };
    expect(wordsOf(await pageOf({ evaluation: calibrated }))).toContain(
      "text 0 target bug 0.881 , question 0.119 prediction question 0.119",
    );
  });

  it("names ten of very many labels", async () => {
    const labels = Array.from({ length: 12 }, (_, i) => `l${String(i)}`);
    const logits = new Float32Array(12).fill(3);
    const several = evaluated({
      problemType: "multi_label_classification",
      labels,
      logits,
      targets: new Float32Array(12).fill(1),
    });
    expect(wordsOf(await pageOf({ evaluation: several }))).toContain("l9 0.953 , 2 more");
  });

  it("of a regression has a scatter chart with both correlations", async () => {
    const rows = evaluated({
      problemType: "regression",
      labels: ["rating"],
      logits: Float32Array.of(1, 2, 4),
      targets: Float32Array.of(1, 2, 3),
    });
    const page = await pageOf({ evaluation: rows });
    const words = wordsOf(page);
    expect(words).toContain("Target and prediction Pearson 0.982, Spearman 1.");
    expect(words).toContain("text 2 target 3 prediction 4 loss 1");
    expect(page).toContain("<title>target 3\nprediction 4</title>");
  });

  it("of a regression with very many outputs leaves the later charts out", async () => {
    const labels = Array.from({ length: 14 }, (_, i) => `output ${String(i)}`);
    const numbers = Float32Array.from({ length: 28 }, (_, i) => i);
    const rows = evaluated({
      problemType: "regression",
      labels,
      logits: numbers,
      targets: numbers.map((value) => value + 1),
    });
    const words = wordsOf(await pageOf({ evaluation: rows }));
    expect(words).toContain("Charts of 2 more outputs are left out.");
    expect(words).toContain("output 9 10, 4 more");
    const unknown = { ...rows, metrics: { ...rows.metrics, perLabel: [] } };
    expect(wordsOf(await pageOf({ evaluation: unknown }))).toContain("Pearson –");
  });

  it("draws some of very many rows, the largest error among them", async () => {
    const targets = Float32Array.from({ length: 4000 }, (_, i) => i % 100);
    const logits = targets.map((value, i) => value + (i === 1234 ? 500 : 1));
    logits[7] = NaN;
    const { metrics } = evaluated({
      problemType: "regression",
      labels: ["rating"],
      logits: targets,
      targets,
    });
    const texts = Array.from(targets, String);
    const rows = {
      problemType: "regression" as const,
      labels: ["rating"],
      logits,
      targets,
      texts,
      metrics,
    };
    const page = await pageOf({ evaluation: rows });
    expect(wordsOf(page)).toContain(
      "1 of 4,000 rows are not finite. 1,500 of 3,999 rows are drawn",
    );
    expect(page).toContain("<title>target 34\nprediction 534</title>");
    expect(count(page, /<circle/g)).toBe(25);
  });

  it("lists the 20 highest losses, and cuts texts at 300 characters", async () => {
    const rows = evaluated(
      {
        problemType: "single_label_classification",
        labels: ["bad", "good"],
        logits: Float32Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? i / 10 : 0)),
        targets: new Int32Array(30).fill(1),
      },
      Array.from({ length: 30 }, (_, i) => (i === 28 ? "" : `${String(i)}:`.padEnd(400, "x"))),
    );
    const page = await pageOf({ evaluation: rows });
    expect(count(page, /<p class="text">/g)).toBe(20);
    const texts = [...page.matchAll(/<bdi>(\d+:x*…)<\/bdi>/g)].map(([, text]) => text);
    expect(texts[0]).toBe(`${"29:".padEnd(300, "x")}…`);
    expect(wordsOf(page)).toContain("(empty text)");
  });

  it("shows logits that are no numbers", async () => {
    const logits = Float32Array.of(NaN, NaN, 0, 4, 3, 0);
    const words = wordsOf(await pageOf({ evaluation: { ...singleLabel, logits } }));
    expect(words).toContain("text 0 target bad NaN prediction none loss NaN");
  });

  it("leaves the evaluated rows out where there are none", async () => {
    const none = {
      ...singleLabel,
      texts: [],
      logits: new Float32Array(0),
      targets: new Int32Array(0),
    };
    expect(wordsOf(await pageOf({ evaluation: none }))).not.toContain("Highest losses");
  });

  it("shows a run without steps, without evaluations, and with a single step", async () => {
    const nothing = { steps: [], evaluations: [], best: null, groups: [] };
    const words = wordsOf(await pageOf({ ...nothing, options: {}, data: {}, versions: {} }));
    expect(words).toContain("The run took no step.");
    expect(words).toContain("The run had no evaluation.");
    expect(words).not.toContain("Options");
    expect(wordsOf(await pageOf({ ...nothing, evaluations: [evaluation(1)] }))).toContain("Loss");
    expect(await pageOf({ ...nothing, steps: [step(1)] })).toContain("training: 1 at step 1.");
  });

  it("counts values that are not finite, and draws the others", async () => {
    const steps = [
      step(1),
      step(2, { loss: NaN }),
      step(3, { loss: 1e300 }),
      step(4, { loss: 1e-300 }),
    ];
    const evaluations = [
      evaluation(2, { loss: NaN, f1: null as never }),
      evaluation(4, { f1: NaN }),
    ];
    const page = await pageOf({ steps, evaluations, groups: ["a", "b"] });
    const words = wordsOf(page);
    expect(words).toContain("training: 1 of 4 values are not finite. evaluation: 1 of 1 values");
    expect(words).toContain("f1: 2 of 2 values are not finite.");
    expect(words).toContain("loss (logarithmic)");
    expect(page).toContain("evaluation: no values.");
    expect(page).toContain("b: no values.");
    expect(page).not.toMatch(/ (d|x|y|width|height|cx|cy)="[^"]*(NaN|Infinity)/);
  });

  it("has options, data, versions and the model's configuration", async () => {
    const options = { epochs: 3, classWeights: { good: 2 }, note: "as is", left: undefined };
    const words = wordsOf(await pageOf({ options }));
    expect(words).toContain('epochs 3 classWeights {"good":2} note as is');
    expect(words).not.toContain("left");
    expect(words).toContain("rows 10");
    expect(words).toContain("bertcnn 0.1.0");
    expect(words).toContain('"hidden_size": 8');
  });

  it("escapes hostile texts wherever they stand", async () => {
    const hostile = `"'><script>x</script>\u202e\0`;
    const rows = evaluated(
      {
        problemType: "single_label_classification",
        labels: [hostile, "good"],
        logits: Float32Array.of(0, 1),
        targets: Int32Array.of(0),
      },
      [hostile],
    );
    const page = await pageOf({
      name: hostile,
      groups: [hostile],
      evaluations: [evaluation(1, { [hostile]: 1 })],
      best: { step: 1, metric: hostile, value: 1 },
      options: { [hostile]: hostile },
      config: { [hostile]: hostile },
      data: { [hostile]: hostile },
      versions: { [hostile]: hostile },
      evaluation: rows,
    });
    expect(page).not.toContain("<script");
    expect(page).not.toMatch(/[\0\u202e]/);
    expect(count(page, /&lt;script&gt;/g)).toBeGreaterThan(15);
  });

  it("forbids itself everything but its own style sheet", async () => {
    const page = await pageOf();
    const style = /<style>(.*)<\/style>/s.exec(page)?.[1] ?? "";
    const hash = createHash("sha256").update(style).digest("base64");
    expect(page).toContain(
      `content="default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'"`,
    );
    expect(page).not.toMatch(/<script|<img|https?:|style="|url\(/);
  });

  it("replaces the file in one step, and leaves it where that fails", async () => {
    const file = path.join(temporaryFolder(), "report.html");
    writeFileSync(file, "before");
    await writeReport(file, runRecord());
    expect(readFileSync(file, "utf8")).toMatch(/^<!doctype html>/);
    expect(readdirSync(path.dirname(file))).toEqual(["report.html"]);
    const missing = path.join(path.dirname(file), "none", "report.html");
    await expectError(writeReport(missing, runRecord()), "ERR_IO", missing, "ENOENT");
  });

  it("refuses what is no run, and arrays that do not fit each other", async () => {
    const file = path.join(temporaryFolder(), "report.html");
    const refuse = (run: unknown, ...words: string[]) =>
      expectError(writeReport(file, run as RunRecord), "ERR_INVALID_ARGUMENT", ...words);
    await refuse(null, "object for run");
    await refuse("run", "object for run");
    await refuse({ ...runRecord(), steps: {} }, "array for run.steps");
    await refuse(
      runRecord({ evaluation: { ...singleLabel, logits: new Float32Array(2) } }),
      "6 numbers",
      "logits",
    );
    await refuse(
      runRecord({ evaluation: { ...singleLabel, targets: new Int32Array(2) } }),
      "3 numbers",
      "targets",
    );
    await refuse(
      runRecord({ evaluation: { ...multiLabel, targets: new Float32Array(2) } }),
      "4 numbers",
      "targets",
    );
    await expectError(writeReport("", runRecord()), "ERR_INVALID_ARGUMENT", "file");
  });
});
