import { computeMetrics } from "../../../src/metrics/metrics.cjs";
import { highestLosses, rowLosses, rowScores } from "../../../src/report/row-losses.cjs";

const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;

const logits = Float32Array.of(1, -2, 0.5, 3, 0, -1);
const labels = ["a", "b", "c"];

describe("the losses of rows", () => {
  it.each([
    {
      problemType: "single_label_classification" as const,
      labels,
      logits,
      targets: Int32Array.of(2, 0),
    },
    {
      problemType: "multi_label_classification" as const,
      labels,
      logits,
      targets: Float32Array.of(1, 0, 0.5, 0, 1, 1),
    },
    {
      problemType: "regression" as const,
      labels,
      logits,
      targets: Float32Array.of(1, 2, 3, 4, 5, 6),
    },
  ])("have the $problemType's loss as their mean", (rows) => {
    expect(mean(rowLosses(rows))).toBeCloseTo(computeMetrics(rows).loss, 12);
  });

  it("are those of the calibrated probabilities", () => {
    const rows = {
      problemType: "single_label_classification" as const,
      labels,
      logits,
      targets: Int32Array.of(2, 0),
      temperature: 2,
    };
    expect(mean(rowLosses(rows))).toBeCloseTo(computeMetrics(rows).loss, 12);
    expect(rowLosses(rows)[1]).toBeCloseTo(-Math.log(rowScores(rows, 1)[0] ?? NaN), 12);
  });

  it("are ordered from the highest down, first those that are no number", () => {
    expect(highestLosses(Float64Array.of(1, NaN, 3, Infinity, 2), 4)).toEqual([1, 3, 2, 4]);
  });
});
