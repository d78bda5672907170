import {
  extent,
  fittingScale,
  linearScale,
  logScale,
  rangeScale,
  stepScale,
} from "../../../src/report/scale.cjs";

const labels = (scale: { ticks: readonly { label: string }[] }) =>
  scale.ticks.map(({ label }) => label);

describe("an axis", () => {
  it("has ticks at 1, 2 or 5 times a power of ten", () => {
    expect(labels(linearScale(0, 1))).toEqual(["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    expect(labels(linearScale(13, 98))).toEqual(["20", "40", "60", "80"]);
    expect(labels(linearScale(0, 4.9))).toEqual(["0", "1", "2", "3", "4"]);
    expect(labels(linearScale(0, 45))).toEqual(["0", "10", "20", "30", "40"]);
  });

  it("goes from 0 at its begin to 1 at its end", () => {
    expect([10, 15, 20].map(linearScale(10, 20).position)).toEqual([0, 0.5, 1]);
  });

  it("puts a single value in the middle", () => {
    expect(rangeScale([3]).position(3)).toBeCloseTo(0.5);
    expect(rangeScale([0]).position(0)).toBeCloseTo(0.5);
    expect(stepScale([7]).position(7)).toBe(0.5);
  });

  it("has steps at whole numbers only", () => {
    expect(labels(stepScale([1, 2]))).toEqual(["1", "2"]);
    expect(labels(stepScale([1, 4]))).toEqual(["1", "2", "3", "4"]);
    expect(labels(stepScale([1, 20_000]))).toEqual(["5k", "10k", "15k", "20k"]);
  });

  it("leaves out what is not finite, and is 0 to 1 where nothing is left", () => {
    expect(extent([NaN, 2, Infinity, -1])).toEqual([-1, 2]);
    expect(extent([NaN])).toEqual([0, 1]);
  });

  it("holds the largest numbers there are", () => {
    const scale = rangeScale([-Number.MAX_VALUE, Number.MAX_VALUE]);
    expect(scale.position(0)).toBeCloseTo(0.5);
    expect(scale.ticks.every(({ value }) => Number.isFinite(value))).toBe(true);
    expect(scale.ticks.length).toBeGreaterThan(1);
  });

  it("is logarithmic where positive values span more than three powers of ten", () => {
    expect(fittingScale([1, 999]).logarithmic).toBe(false);
    expect(fittingScale([0, 1e6]).logarithmic).toBe(false);
    expect(fittingScale([NaN]).logarithmic).toBe(false);
    const { scale, logarithmic } = fittingScale([0.001, NaN, 1000]);
    expect(logarithmic).toBe(true);
    expect(scale.position(1)).toBeCloseTo(0.5);
    expect(labels(scale)).toEqual(["0.001", "0.01", "0.1", "1", "10", "100", "1000"]);
    expect(labels(logScale(1e-10, 1e20))).toEqual([
      "1e-10",
      "1e-5",
      "1",
      "1e5",
      "1e10",
      "1e15",
      "1e20",
    ]);
  });
});
