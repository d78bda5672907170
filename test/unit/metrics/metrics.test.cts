import {
  computeMetrics,
  computeReliability,
  flattenMetrics,
  type MetricInput,
  type MultiLabelMetrics,
  type SingleLabelMetrics,
} from "../../../src/index.cjs";
import { casesOf, expectNear, named, toInput } from "../support/metric-fixtures.cjs";
import { expectError } from "../support/rejection.cjs";

const single = {
  problemType: "single_label_classification",
  labels: ["bad", "good"],
  logits: Float32Array.of(2, 1, 0, 1, 3, -1, -2, 2),
  targets: Int32Array.of(0, 1, 1, 1),
} satisfies MetricInput;
const multi = {
  problemType: "multi_label_classification",
  labels: ["short", "loud"],
  logits: Float32Array.of(1, -1, 0.5, 2),
  targets: Float32Array.of(1, 0, 0, 1),
} satisfies MetricInput;
const regression = {
  problemType: "regression",
  labels: ["stars"],
  logits: Float32Array.of(1, 2.5),
  targets: Float32Array.of(1, 2),
} satisfies MetricInput;

describe("metrics", () => {
  it.each(casesOf("single_label_classification", "multi_label_classification", "regression"))(
    "are those of scikit-learn and SciPy: %s",
    (name, one) => {
      expectNear(named(computeMetrics(toInput(one))), one.metrics, name);
    },
  );

  it("name the labels in their order", () => {
    const { perClass } = computeMetrics(single) as SingleLabelMetrics;
    expect(perClass.map(({ label }) => label)).toEqual(["bad", "good"]);
    expect(computeMetrics(regression)).toMatchObject({ perLabel: [{ label: "stars" }] });
  });

  it("count rows by target, then by prediction", () => {
    const { confusionMatrix } = computeMetrics(single) as SingleLabelMetrics;
    expect(confusionMatrix).toEqual([
      [1, 0],
      [1, 2],
    ]);
  });

  it("take the first class of equally probable ones", () => {
    const tie = { ...single, logits: Float32Array.of(1, 1), targets: Int32Array.of(0) };
    expect(computeMetrics(tie)).toMatchObject({ accuracy: 1 });
  });

  it("leave a class out of the macro F1 that neither occurs nor is predicted", () => {
    const logits = Float32Array.of(1, 0, -9, 0, 1, -9);
    const three = { ...single, labels: ["a", "b", "c"], logits, targets: Int32Array.of(0, 1) };
    expect(computeMetrics(three)).toMatchObject({ macroF1: 1, weightedF1: 1, rocAuc: null });
  });

  it("give a label from its threshold on, inclusively", () => {
    const logits = Float32Array.of(0, 0);
    const one = { ...multi, logits, targets: Float32Array.of(1, 1) };
    expect(computeMetrics(one)).toMatchObject({ accuracy: 1 });
    expect(computeMetrics({ ...one, thresholds: [0.5, 0.51] })).toMatchObject({ accuracy: 0 });
  });

  it("can be of a calibrated model", () => {
    const hotter = computeMetrics({ ...multi, temperature: 2 }) as MultiLabelMetrics;
    const halved = computeMetrics({ ...multi, logits: multi.logits.map((x) => x / 2) });
    expect(hotter).toEqual(halved);
    expect(hotter.loss).not.toBe(computeMetrics(multi).loss);
  });

  it("hold what JSON can hold", () => {
    for (const [, one] of casesOf("single_label_classification", "regression")) {
      const metrics = computeMetrics(toInput(one));
      expect(JSON.parse(JSON.stringify(metrics))).toEqual(metrics);
    }
  });

  it("are flat for logs, without those that are undefined", () => {
    expect(Object.keys(flattenMetrics(computeMetrics(single)))).toEqual([
      "loss",
      "accuracy",
      "macroF1",
      "weightedF1",
      "matthews",
      "rocAuc",
      "ece",
    ]);
    expect(Object.keys(flattenMetrics(computeMetrics(multi)))).toEqual([
      "loss",
      "accuracy",
      "microF1",
      "macroF1",
      "weightedF1",
      "rocAuc",
      "ece",
    ]);
    const row = { ...regression, logits: Float32Array.of(3), targets: Float32Array.of(1) };
    expect(flattenMetrics(computeMetrics(row))).toEqual({ loss: 4, mse: 4, mae: 2, rmse: 2 });
  });

  it.each<[string, unknown, string[]]>([
    ["nothing", undefined, ["input.problemType but received undefined"]],
    ["an unknown problem type", { ...single, problemType: "ranking" }, ["input.problemType"]],
    ["no labels", { ...single, labels: [] }, ["at least one label"]],
    ["logits of another type", { ...single, logits: [1, 2] }, ["Float32Array for input.logits"]],
    ["logits that are none", { ...single, logits: undefined }, ["Float32Array for input.logits"]],
    [
      "a logit that is no number",
      { ...single, logits: Float32Array.of(1, NaN) },
      ["finite number for input.logits[1] but received NaN"],
    ],
    ["half a row", { ...single, logits: Float32Array.of(1, 2, 3) }, ["2 logits", "received 3"]],
    [
      "no rows",
      { ...single, logits: new Float32Array(0), targets: new Int32Array(0) },
      ["one or more rows", "received 0"],
    ],
    ["an unknown name", { ...single, target: [] }, ["'target'"]],
    ["a temperature of 0", { ...single, temperature: 0 }, ["input.temperature but received 0"]],
    ["an infinite one", { ...single, temperature: Infinity }, ["input.temperature"]],
    ["a regression's", { ...regression, temperature: 1 }, ["regression", "input.temperature"]],
    ["a threshold of 1", { ...multi, thresholds: [0.5, 1] }, ["input.thresholds[1]"]],
    ["too few thresholds", { ...multi, thresholds: [0.5] }, ["array of 2 numbers"]],
    ["thresholds of classes", { ...single, thresholds: [0.5, 0.5] }, ["several labels"]],
  ])("are refused for %s", async (_, input, parts) => {
    await expectError(() => computeMetrics(input as MetricInput), "ERR_INVALID_ARGUMENT", ...parts);
  });

  it("are refused for targets that do not fit", async () => {
    const targets = Int32Array.of(0, 1, 2, 0);
    await expectError(
      () => computeMetrics({ ...single, targets }),
      "ERR_INVALID_LABELS",
      "input.targets[2]",
    );
  });
});

describe("reliability", () => {
  it("puts predictions into bins by their probability, bounds into the lower one", () => {
    // Probabilities 0.5 and, of the second row, about 0.88.
    const input = { ...multi, logits: Float32Array.of(0, 0, 2, 2), targets: [1, 0, 1, 1] };
    const { bins, ece } = computeReliability(
      { ...input, targets: Float32Array.from(input.targets) },
      2,
    );
    const sure = 1 / (1 + Math.exp(-2));
    expect(bins).toEqual([
      { lower: 0, upper: 0.5, count: 2, confidence: 0.5, accuracy: 0.5 },
      { lower: 0.5, upper: 1, count: 2, confidence: sure, accuracy: 1 },
    ]);
    expect(ece).toBeCloseTo((1 - sure) / 2, 15);
  });

  it("is of the most probable class, in ten bins unless told otherwise", () => {
    const { bins } = computeReliability(single);
    expect(bins).toEqual((computeMetrics(single) as SingleLabelMetrics).reliability.bins);
    expect(bins).toHaveLength(10);
    expect(bins[0]).toEqual({ lower: 0, upper: 0.1, count: 0, confidence: 0, accuracy: 0 });
    expect(bins.reduce((sum, { count }) => sum + count, 0)).toBe(4);
  });

  it("is refused for a regression, and for less than one bin", async () => {
    await expectError(() => computeReliability(regression), "ERR_INVALID_ARGUMENT", "regression");
    await expectError(() => computeReliability(single, 0), "ERR_INVALID_ARGUMENT", "bins");
  });
});
