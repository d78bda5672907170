import { Dataset, type DatasetOptions, type Example } from "../../../src/index.cjs";
import { expectError } from "../support/rejection.cjs";

const withLabels = (labels: readonly Example["label"][], options?: DatasetOptions) =>
  Dataset.from(
    labels.map((label) => ({ text: "a", label })),
    options,
  );

async function counted(data: Dataset): Promise<[string, number][]> {
  const counts = [...(await data.classCounts())];
  expect(await data.labelNames()).toEqual(counts.map(([name]) => name));
  return counts;
}

describe("labels", () => {
  it("that are strings are sorted as strings", async () => {
    expect(await counted(withLabels(["b", "10", "9", "b", "B"]))).toEqual([
      ["10", 1],
      ["9", 1],
      ["B", 1],
      ["b", 2],
    ]);
  });

  it("that are numbers are sorted as numbers", async () => {
    expect(await counted(withLabels([10, 9, -1, 10]))).toEqual([
      ["-1", 1],
      ["9", 1],
      ["10", 2],
    ]);
  });

  it("that are several names count each, once a row", async () => {
    expect(await counted(withLabels([[], ["b", "a"], ["b", "b"]]))).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
  });

  it("that are several numbers count where they are not 0", async () => {
    expect(
      await counted(
        withLabels([
          [0, 1, 0],
          [0, 1, 0.5],
        ]),
      ),
    ).toEqual([
      ["0", 0],
      ["1", 2],
      ["2", 1],
    ]);
  });

  it("from several columns have the columns' names", async () => {
    const rows = [
      { text: "a", sad: 1, funny: 0 },
      { text: "b", sad: 1, funny: 1 },
    ];
    expect(await counted(Dataset.from(rows, { labelColumn: ["sad", "funny"] }))).toEqual([
      ["sad", 2],
      ["funny", 1],
    ]);
  });

  it("of no rows are none", async () => {
    expect(await counted(withLabels([]))).toEqual([]);
  });

  it.each<[Example["label"], Example["label"], string]>([
    ["a", 1, "some are strings and some numbers"],
    [1, ["a"], "some are numbers and some arrays of strings"],
    [["a"], [1], "some are arrays of strings and some arrays of numbers"],
  ])("%j and %j are not of one kind", async (one, other, part) => {
    await expectError(withLabels([one, other]).classCounts(), "ERR_INVALID_DATA", part);
  });
});

describe("a fingerprint", () => {
  const rows = [
    { text: "a", label: "x" },
    { text: "b", label: "y" },
  ];
  const of = (given: readonly object[]) => Dataset.from(given).fingerprint();

  it("changes with any text, label, type of label or order", async () => {
    const prints = await Promise.all([
      of(rows),
      of([...rows].reverse()),
      of([rows[0]!, { text: "c", label: "y" }]),
      of([rows[0]!, { text: "b", label: "z" }]),
      of([{ text: "a", label: 1 }]),
      of([{ text: "a", label: "1" }]),
      of([{ text: "a", label: ["1"] }]),
      of([{ text: "ab", label: "c" }]),
      of([{ text: "a", label: "bc" }]),
      of([]),
    ]);
    expect(new Set(prints).size).toBe(prints.length);
    expect(prints[0]).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is the same for the same rows of any source", async () => {
    expect(await Dataset.from(() => rows).fingerprint()).toBe(await of(rows));
    const { test } = await Dataset.from([...rows, rows[0]!]).split({ testSize: 1 });
    expect([await of([rows[0]!]), await of([rows[1]!])]).toContain(await test.fingerprint());
  });
});
