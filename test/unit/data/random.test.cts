import {
  ascending,
  drawBelow,
  seededGenerator,
  shuffle,
  splitMix64,
  xoshiro128,
} from "../../../src/data/random.cjs";

describe("the generators", () => {
  it("draw what SplitMix64's authors' code draws", () => {
    const draw = splitMix64(1234567n);
    expect([draw(), draw(), draw()]).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
    ]);
  });

  it("draw what xoshiro128**'s authors' code draws", () => {
    const draw = xoshiro128(Int32Array.of(1, 2, 3, 4));
    expect([draw(), draw(), draw(), draw()]).toEqual([11520, 0, 5927040, 70819200]);
  });

  it("depend on seed and stream, and not on their order alone", () => {
    const first = (seed: number, stream: number) => seededGenerator(seed, stream)();
    const drawn = [first(1, 2), first(2, 1), first(1, 1), first(0, 0), first(2 ** 53 - 1, -1)];
    expect(new Set(drawn).size).toBe(5);
    expect(first(1, 2)).toBe(first(1, 2));
  });

  it("give the same order on every machine", () => {
    expect([...shuffle(ascending(10), seededGenerator(42, 3))]).toMatchInlineSnapshot(`
     [
       8,
       6,
       2,
       7,
       5,
       3,
       4,
       0,
       1,
       9,
     ]
    `);
  });
});

describe("a draw below a bound", () => {
  it("leaves out what would favour small values", () => {
    const drawn = [2 ** 32 - 1, 2 ** 32 - 2, 7];
    // 2^32 is 1 above a multiple of 3: the last value would be a fourth chance of 0.
    expect(drawBelow(() => drawn.shift()!, 3)).toBe((2 ** 32 - 2) % 3);
    expect(drawn).toEqual([7]);
  });
});

describe("a shuffle", () => {
  it("gives every order as often", () => {
    const generator = seededGenerator(5, 0);
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = shuffle([0, 1, 2], generator).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    // Five standard deviations of 29.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(145);
  });
});
