import { smooth, smoothingWeight, thin, type Point } from "../../../src/report/curve.cjs";

const line = (length: number): Point[] => Array.from({ length }, (_, i) => [i, i]);

describe("a thinned curve", () => {
  it("is the curve itself where it is short", () => {
    const points = line(1000);
    expect(thin(points)).toBe(points);
  });

  it("keeps the lowest and the highest of each stretch, in their order", () => {
    const points: Point[] = line(1000).map(([x]) => [x, x === 503 ? 9 : x === 507 ? -9 : 0]);
    const kept = thin(points, 200);
    expect(kept.length).toBeLessThanOrEqual(200);
    expect(kept).toContainEqual([503, 9]);
    expect(kept).toContainEqual([507, -9]);
    const steps = kept.map(([x]) => x);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(thin(line(5000))).toHaveLength(1000);
  });

  it("keeps a gap where a whole stretch is one, and drops lone values that are not finite", () => {
    const points: Point[] = line(100).map(([x]) => [x, x < 50 ? NaN : x % 10 === 0 ? Infinity : x]);
    const kept = thin(points, 20);
    expect(kept.filter(([, y]) => !Number.isFinite(y)).map(([x]) => x)).toEqual([
      0, 10, 20, 30, 40,
    ]);
    expect(kept.at(-1)).toEqual([99, 99]);
  });
});

describe("a smoothed curve", () => {
  it("is not smoothed where it is short, and never loses all that is new", () => {
    expect(smoothingWeight(40)).toBe(0);
    expect(smoothingWeight(80)).toBe(0.5);
    expect(smoothingWeight(1e9)).toBe(0.99);
  });

  it("begins at its first value, and stays on a constant", () => {
    expect(
      smooth(
        [
          [1, 4],
          [2, 4],
          [3, 4],
        ],
        0.9,
      ).map(([, y]) => Math.round(1e9 * y) / 1e9),
    ).toEqual([4, 4, 4]);
  });

  it("weighs earlier values less and less", () => {
    const [, second] = smooth(
      [
        [1, 0],
        [2, 3],
      ],
      0.5,
    );
    expect(second?.[1]).toBeCloseTo(2); // (0.25 * 0 + 0.5 * 3) / 0.75
  });

  it("keeps gaps, which count for nothing", () => {
    const smoothed = smooth(
      [
        [1, 0],
        [2, NaN],
        [3, 3],
      ],
      0.5,
    );
    expect(smoothed[1]).toEqual([2, NaN]);
    expect(smoothed[2]?.[1]).toBeCloseTo(2);
  });
});
