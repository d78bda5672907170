import {
  showDuration,
  showMetric,
  showNumber,
  showPercent,
  showShare,
  showTick,
} from "../../../src/report/numbers.cjs";

describe("numbers in a report", () => {
  it.each<[number | null | undefined, string]>([
    [0, "0"],
    [0.5, "0.5"],
    [-0.123456, "-0.1235"],
    [5e-5, "5e-5"],
    [1.05e30, "1.05e30"],
    [9.769e30, "9.769e30"],
    [1234567, "1,234,567"],
    [12345.6, "12,346"],
    [NaN, "NaN"],
    [Infinity, "∞"],
    [-Infinity, "-∞"],
    [null, "–"],
    [undefined, "–"],
  ])("%p is shown as %s", (value, text) => {
    expect(showNumber(value)).toBe(text);
  });

  it("metrics line up where that is about four digits", () => {
    expect([0.8, -0.25, 12.345, 0, 1e-5, null].map(showMetric)).toEqual([
      "0.8000",
      "-0.2500",
      "12.35",
      "0",
      "1e-5",
      "–",
    ]);
  });

  it("shares have three decimals, percentages none", () => {
    expect([1, NaN, null].map(showShare)).toEqual(["1.000", "NaN", "–"]);
    expect([0.125, NaN].map(showPercent)).toEqual(["13 %", "–"]);
  });

  it.each<[number, string]>([
    [0.25, "0.25 s"],
    [59.6, "1 min 0 s"],
    [30, "30 s"],
    [3599.9, "1 h 0 min"],
    [4_000_000, "1,111 h 6 min"],
    [NaN, "NaN"],
  ])("%p seconds are %s", (seconds, text) => {
    expect(showDuration(seconds)).toBe(text);
  });

  it.each<[number, number, number, string]>([
    [0.3, 0.1, 1, "0.3"],
    [0, 0.1, 1, "0.0"],
    [200, 200, 1000, "200"],
    [5000, 5000, 20000, "5k"],
    [0, 5000, 20000, "0"],
    [1e30, 5e29, 1e30, "1e30"],
    [2e-7, 1e-7, 3e-7, "2e-7"],
  ])("a tick at %p, %p apart, up to %p, is named %s", (value, apart, largest, text) => {
    expect(showTick(value, apart, largest)).toBe(text);
  });
});
