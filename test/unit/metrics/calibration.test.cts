import {
  computeMetrics,
  fitCalibration,
  fitTemperature,
  fitThresholds,
  type MetricInput,
  type MultiLabelMetrics,
} from "../../../src/index.cjs";
import { casesOf, toInput, type MetricCase } from "../support/metric-fixtures.cjs";
import { expectError } from "../support/rejection.cjs";

const classifications = casesOf("single_label_classification", "multi_label_classification");
const without = (one: MetricCase): MetricInput => ({ ...toInput(one), thresholds: undefined });
const multi = (logits: readonly number[], targets: readonly number[]): MetricInput => ({
  problemType: "multi_label_classification",
  labels: ["yes"],
  logits: Float32Array.from(logits),
  targets: Float32Array.from(targets),
});
const single = (logits: readonly number[], targets: readonly number[]): MetricInput => ({
  problemType: "single_label_classification",
  labels: ["bad", "good"],
  logits: Float32Array.from(logits),
  targets: Int32Array.from(targets),
});
const regression: MetricInput = {
  ...multi([1], [1]),
  problemType: "regression",
};

describe("the temperature", () => {
  it.each(classifications)("gives no more loss than the one that SciPy finds: %s", (_, one) => {
    const temperature = fitTemperature(without(one));
    const { loss } = computeMetrics({ ...without(one), temperature });
    expect(loss).toBeLessThanOrEqual(one.best!.loss + 1e-12);
    expect(temperature).toBeGreaterThanOrEqual(0.01);
    expect(temperature).toBeLessThanOrEqual(100);
  });

  it.each(["two classes", "seven classes", "overconfident", "several labels", "soft targets"])(
    "is the one that SciPy finds: %s",
    (name) => {
      const [, one] = classifications.find(([other]) => other === name)!;
      const temperature = fitTemperature(without(one));
      // A minimum's place is known to the root of the rounding only.
      expect(Math.abs(temperature / one.best!.temperature - 1)).toBeLessThan(1e-6);
    },
  );

  it("undoes what made the logits larger", () => {
    const one = classifications.find(([name]) => name === "three classes")![1];
    const temperature = fitTemperature(without(one));
    const logits = without(one).logits.map((logit) => 4 * logit);
    expect(fitTemperature({ ...without(one), logits })).toBeCloseTo(4 * temperature, 10);
  });

  it("stops at 0.01 where every row is right, and at 100 where every row is wrong", () => {
    expect(fitTemperature(single([2, 0, 0, 3], [0, 1]))).toBe(0.01);
    expect(fitTemperature(multi([2, -3], [1, 0]))).toBe(0.01);
    expect(fitTemperature(single([2, 0, 0, 3], [1, 0]))).toBe(100);
    expect(fitTemperature(multi([2, -3], [0, 1]))).toBe(100);
  });

  it("is 1 where the logits are alike, and any other would do", () => {
    expect(fitTemperature(single([0.1, 0.1, 7, 7], [0, 1]))).toBe(1);
    expect(fitTemperature(multi([0, 0], [0, 1]))).toBe(1);
  });

  it("finds the minimum beyond a step of Newton's that leads too far", () => {
    // Flat at 1: the sigmoids are saturated.
    const temperature = fitTemperature(multi([40, 40, 40, -40], [1, 1, 0, 0]));
    expect(40 / temperature).toBeCloseTo(Math.log(3), 10);
  });
});

describe("the thresholds", () => {
  it.each(casesOf("multi_label_classification"))(
    "give each label the largest F1 of any: %s",
    (_, one) => {
      const thresholds = fitThresholds(without(one));
      const { perClass } = computeMetrics({ ...without(one), thresholds }) as MultiLabelMetrics;
      one.bestF1!.forEach((best, label) => {
        if (best === null) expect(thresholds[label]).toBe(0.5);
        else expect(perClass[label]!.f1).toBeCloseTo(best, 12);
      });
    },
  );

  it("lie midway between neighbouring probabilities", () => {
    const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
    const [threshold] = fitThresholds(multi([3, 1, -1, -2], [1, 1, 0, 0]));
    expect(threshold).toBe((sigmoid(1) + sigmoid(-1)) / 2);
    expect(fitThresholds(multi([1, 2], [1, 1]))).toEqual([sigmoid(1) / 2]);
  });

  it("are the nearest to 0.5 of several that are as good", () => {
    // The first row alone, and all rows, have an F1 of 2 / 3.
    const [near] = fitThresholds(multi([2, 1.5, 1, 0.5], [1, 0, 0, 1]));
    expect(near).toBeCloseTo(1 / (1 + Math.exp(-0.5)) / 2, 12);
    const [far] = fitThresholds(multi([0.5, -2, -2.5, -3], [1, 0, 0, 1]));
    expect(far).toBeGreaterThan(0.3);
  });

  it("are between 0 and 1 even where probabilities round to these", () => {
    const most = fitThresholds(multi([800, 30], [1, 0]))[0]!;
    expect(most).toBeLessThan(1);
    expect(most).toBeGreaterThan(0.9);
    expect(fitThresholds(multi([-800, -900], [1, 1]))[0]).toBeGreaterThan(0);
    // Neighbouring numbers, with none in between: the upper one is reached by itself.
    const [float, next] = [0.5, 0.50000006];
    const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
    const [between] = fitThresholds({ ...multi([next, float], [1, 0]), temperature: 1.4e8 });
    expect(between).toBeGreaterThan(sigmoid(Math.fround(float) / 1.4e8));
    expect(between).toBeLessThanOrEqual(sigmoid(Math.fround(next) / 1.4e8));
  });
});

describe("calibration", () => {
  it("is a temperature, and for several labels the thresholds that go with it", () => {
    const classes = single([2, 0, 0, 3, 1, 0, 0, 1], [0, 1, 1, 1]);
    expect(fitCalibration(classes)).toEqual({ temperature: fitTemperature(classes) });
    const labels = multi([2, 1, -1, -3], [1, 0, 1, 0]);
    const temperature = fitTemperature(labels);
    expect(fitCalibration(labels)).toEqual({
      temperature,
      thresholds: fitThresholds({ ...labels, temperature }),
    });
  });

  it("is refused for a regression, thresholds for a single label", async () => {
    for (const fit of [fitCalibration, fitTemperature, fitThresholds]) {
      await expectError(() => fit(regression), "ERR_INVALID_ARGUMENT", "input.problemType");
    }
    await expectError(
      () => fitThresholds(single([1, 2], [1])),
      "ERR_INVALID_ARGUMENT",
      "multi_label_classification",
    );
  });
});
