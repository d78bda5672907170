import { Dataset, type Example, type SplitOptions } from "../../../src/index.cjs";
import { expectError } from "../support/rejection.cjs";
import { file, labels, numbered, rowsOf, texts, useFolder } from "./support/files.cjs";

useFolder();

const data = Dataset.from(numbered(100));
const place = (text: string) => Number(text.slice(1));

async function sizes(source: Dataset, options?: SplitOptions): Promise<[number, number]> {
  const { train, test } = await source.split(options);
  return [await train.size(), await test.size()];
}

describe("a split", () => {
  it("has no row in both parts and none in neither", async () => {
    const { train, test } = await data.split();
    const both = [...(await texts(train)), ...(await texts(test))].map(place);
    expect(both.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("gives a fifth, a share or a number of rows to the test", async () => {
    expect(await sizes(data)).toEqual([80, 20]);
    expect(await sizes(data, { testSize: 0.07 })).toEqual([93, 7]);
    expect(await sizes(data, { testSize: 0.055 })).toEqual([94, 6]);
    expect(await sizes(data, { testSize: 1e-12 })).toEqual([99, 1]);
    expect(await sizes(data, { testSize: 33 })).toEqual([67, 33]);
  });

  it("follows from its seed and keeps the order of the data", async () => {
    const test = async (seed?: number) => texts((await data.split({ seed })).test);
    const one = await test(1);
    expect(await test(1)).toEqual(one);
    expect(await test(2)).not.toEqual(one);
    expect(await test(0)).toEqual(await test());
    expect(one.map(place)).toEqual(one.map(place).sort((a, b) => a - b));
  });

  it("can be split again, batched and shuffled; places are those in the part", async () => {
    const { train } = await data.split({ testSize: 0.5 });
    const { train: half, test } = await train.split({ testSize: 20 });
    const known = new Set(await texts(train));
    const [first, second] = [await texts(half), await texts(test)];
    expect([...first, ...second].every((text) => known.has(text))).toBe(true);
    expect(new Set([...first, ...second]).size).toBe(50);
    for await (const batch of half.batches({ batchSize: 7, shuffle: true })) {
      expect(batch.texts).toEqual(batch.rows.map((row) => first[row]));
    }
    expect((await rowsOf(half, {})).flat()).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });

  it("is the same in memory, in a file and of a function", async () => {
    const rows = numbered(100).map((row) => JSON.stringify(row));
    const sources = [
      data,
      Dataset.fromFile(file("rows.jsonl", rows.join("\n"))),
      Dataset.from(() => numbered(100)),
    ];
    const [one, ...others] = await Promise.all(
      sources.map(async (source) => {
        const { train, test } = await source.split({ seed: 3, stratify: true });
        return [await texts(train), await texts(test), await labels(test)];
      }),
    );
    for (const other of others) expect(other).toEqual(one);
  });

  it("of a function's rows shuffles and resumes as others do", async () => {
    const { train } = await Dataset.from(() => numbered(100), { shuffleBuffer: 9 }).split();
    const whole = await rowsOf(train, { batchSize: 8, shuffle: true });
    expect(whole.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => i));
    expect(await rowsOf(train, { batchSize: 8, shuffle: true, skip: 4 })).toEqual(whole.slice(4));
  });
});

describe("a stratified split", () => {
  const classes = (counts: Record<string, number>): Example[] =>
    Object.entries(counts).flatMap(([label, count]) =>
      Array.from({ length: count }, (_, i) => ({ text: `${label}${String(i)}`, label })),
    );

  async function testCounts(counts: Record<string, number>, options: SplitOptions) {
    const { test } = await Dataset.from(classes(counts)).split({ ...options, stratify: true });
    return Object.fromEntries(await test.classCounts());
  }

  it("keeps the share of each class", async () => {
    expect(await testCounts({ a: 50, b: 30, c: 20 }, { testSize: 0.1 })).toEqual({
      a: 5,
      b: 3,
      c: 2,
    });
  });

  it("gives what rounding leaves to the largest remainders", async () => {
    // 7.3, 2.1 and 0.6 of 10: the last gets the missing one.
    expect(await testCounts({ a: 73, b: 21, c: 6 }, { testSize: 10 })).toEqual({
      a: 7,
      b: 2,
      c: 1,
    });
  });

  it("draws which of equal classes get what is left", async () => {
    const seeds = [0, 1, 2, 3, 4, 5, 6, 7];
    const counts = await Promise.all(
      seeds.map((seed) => testCounts({ a: 1, b: 1, c: 1, d: 1 }, { testSize: 1, seed })),
    );
    expect(counts.every((one) => Object.values(one).length === 1)).toBe(true);
    expect(new Set(counts.map((one) => Object.keys(one)[0])).size).toBeGreaterThan(1);
  });

  it("takes class indices, of a part too", async () => {
    const { train } = await data.split({ testSize: 40 });
    const before = await train.classCounts();
    const { test } = await train.split({ testSize: 0.5, stratify: true });
    for (const [label, count] of await test.classCounts()) {
      expect(Math.abs(count - before.get(label)! / 2)).toBeLessThan(1);
    }
  });

  it.each<[string, Example["label"][]]>([
    ["scores", [0.5, 1, 2]],
    ["negative numbers", [-1, 1, 2]],
    ["several labels a row", [["a"], ["b"], ["a", "b"]]],
    ["no rows", []],
  ])("refuses %s", async (_, given) => {
    const source = Dataset.from(given.map((label) => ({ text: "a", label })));
    const work = source.split({ stratify: true, testSize: 1 });
    await expectError(work, "ERR_INVALID_ARGUMENT", "options.stratify");
  });
});

describe("options of a split", () => {
  it.each([0, 1.5, -1, "a", NaN, 100, 0.999])("refuse %p as testSize of 100 rows", async (size) => {
    const work = data.split({ testSize: size as number });
    await expectError(work, "ERR_INVALID_ARGUMENT", "options.testSize");
  });

  it("refuse unknown names", async () => {
    await expectError(data.split({ share: 1 } as object), "ERR_INVALID_ARGUMENT", "share");
  });
});
