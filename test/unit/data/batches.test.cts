import { Dataset, type BatchOptions } from "../../../src/index.cjs";
import { expectError } from "../support/rejection.cjs";
import { all, file, numbered, rowsOf, useFolder } from "./support/files.cjs";

useFolder();

const ascendingTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const sorted = (rows: readonly number[]) => [...rows].sort((a, b) => a - b);
/** As many tokens as the row's number, modulo 7. */
const countTokens = (texts: readonly string[]) =>
  Promise.resolve(texts.map((text) => Number(text.slice(1)) % 7));

const sources = {
  memory: () => Dataset.from(numbered(2500)),
  file: () =>
    Dataset.fromFile(
      file(
        "rows.jsonl",
        numbered(2500)
          .map((row) => JSON.stringify(row))
          .join("\n"),
      ),
    ),
  function: () => Dataset.from(() => numbered(2500), { shuffleBuffer: 100 }),
};

describe.each(Object.entries(sources))("batches of a source in a %s", (_, source) => {
  it("hold texts, labels and places, 32 rows by default", async () => {
    const batches = await all(source().batches());
    expect(batches.map(({ rows }) => rows.length)).toEqual([...Array<number>(78).fill(32), 4]);
    const { texts, labels, rows } = batches[40]!;
    expect(rows).toEqual(Array.from({ length: 32 }, (_, i) => 1280 + i));
    expect(texts).toEqual(rows.map((row) => `t${String(row)}`));
    expect(labels).toEqual(rows.map((row) => row % 3));
  });

  it("drop a last one that is not full on request", async () => {
    expect(await rowsOf(source(), { dropLast: true })).toHaveLength(78);
    expect(await rowsOf(source(), { batchSize: 2000, dropLast: true })).toHaveLength(1);
    expect(await rowsOf(source(), { batchSize: 500, dropLast: true })).toHaveLength(5);
  });

  it("when shuffled are a permutation that seed and epoch decide", async () => {
    const order = async (seed: number, epoch: number) =>
      (await rowsOf(source(), { shuffle: true, seed, epoch })).flat();
    const one = await order(1, 0);
    expect(sorted(one)).toEqual(ascendingTo(2500));
    expect(one).not.toEqual(ascendingTo(2500));
    expect(await order(1, 0)).toEqual(one);
    expect(await order(1, 1)).not.toEqual(one);
    expect(await order(2, 0)).not.toEqual(one);
    for (const { texts, rows } of await all(source().batches({ shuffle: true }))) {
      expect(texts).toEqual(rows.map((row) => `t${String(row)}`));
    }
  });

  it.each<BatchOptions>([
    { batchSize: 7 },
    { batchSize: 7, shuffle: true, seed: 3, epoch: 2 },
    { batchSize: 1100, shuffle: true, dropLast: true },
    { maxTokens: 20, countTokens },
    { maxTokens: 20, countTokens, shuffle: true, seed: 9 },
  ])("with skip are exactly the tail: %j", async (options) => {
    const whole = await rowsOf(source(), options);
    for (const skip of [0, 1, 2, 150, whole.length, whole.length + 1]) {
      expect(await rowsOf(source(), { ...options, skip })).toEqual(whole.slice(skip));
    }
  });

  it("have as many tokens as the budget allows", async () => {
    const batches = await rowsOf(source(), { maxTokens: 20, countTokens, shuffle: true });
    const tokens = (rows: readonly number[]) => rows.reduce((sum, row) => sum + (row % 7), 0);
    expect(sorted(batches.flat())).toEqual(ascendingTo(2500));
    for (const [i, rows] of batches.entries()) {
      expect(tokens(rows)).toBeLessThanOrEqual(20);
      const next = batches[i + 1]?.[0];
      if (next !== undefined) expect(tokens(rows) + (next % 7)).toBeGreaterThan(20);
    }
  });
});

describe("a shuffle", () => {
  it("has the same order in memory and in a file", async () => {
    const options = { shuffle: true, seed: 4, epoch: 5 };
    expect(await rowsOf(sources.memory(), options)).toEqual(await rowsOf(sources.file(), options));
  });

  it("of a function's rows moves none forward by more than the buffer", async () => {
    const order = (await rowsOf(sources.function(), { shuffle: true })).flat();
    order.forEach((row, place) => {
      expect(row - place).toBeLessThanOrEqual(100);
    });
  });

  it("of a function's rows with a buffer for all of them is one of all rows", async () => {
    const data = Dataset.from(() => numbered(50), { shuffleBuffer: 50 });
    const order = (await rowsOf(data, { shuffle: true })).flat();
    expect(sorted(order)).toEqual(ascendingTo(50));
    expect(order).not.toEqual(ascendingTo(50));
  });
});

describe("a token budget", () => {
  it("gives a text that is longer a batch of its own", async () => {
    const data = Dataset.from([9, 1, 2, 8, 9, 9].map((n) => ({ text: "a".repeat(n), label: 1 })));
    const counted = (texts: readonly string[]) => Uint32Array.from(texts, (text) => text.length);
    const rows = await rowsOf(data, { maxTokens: 8, countTokens: counted });
    expect(rows).toEqual([[0], [1, 2], [3], [4], [5]]);
    expect(await rowsOf(data, { maxTokens: 11, countTokens: counted })).toEqual([
      [0, 1],
      [2, 3],
      [4],
      [5],
    ]);
  });

  it.each([[[1]], [[1, NaN]], [[1, -1]]])("refuses %j as counts of two texts", async (counts) => {
    const batches = Dataset.from(numbered(2)).batches({ maxTokens: 5, countTokens: () => counts });
    await expectError(all(batches), "ERR_INVALID_ARGUMENT", "2 numbers of tokens", "countTokens()");
  });
});

describe("batches of no rows", () => {
  it("are none", async () => {
    expect(await rowsOf(Dataset.from([]), { shuffle: true })).toEqual([]);
    expect(await rowsOf(Dataset.from([]), { maxTokens: 5, countTokens })).toEqual([]);
  });
});

describe("options of batches", () => {
  it.each<[object, string]>([
    [{ size: 3 }, "'size'"],
    [{ batchSize: 0 }, "options.batchSize"],
    [{ maxTokens: 0.5, countTokens }, "options.maxTokens"],
    [{ maxTokens: 5 }, "options.countTokens"],
    [{ maxTokens: 5, countTokens: 5 }, "options.countTokens"],
    [{ maxTokens: 5, countTokens, batchSize: 3 }, "received both"],
    [{ maxTokens: 5, countTokens, dropLast: true }, "options.dropLast"],
    [{ shuffle: 1 }, "options.shuffle"],
    [{ seed: -1 }, "options.seed"],
    [{ epoch: 0.5 }, "options.epoch"],
    [{ skip: -1 }, "options.skip"],
  ])("%p are refused at once", async (options, part) => {
    await expectError(() => Dataset.from([]).batches(options), "ERR_INVALID_ARGUMENT", part);
  });
});
