import { Dataset, type DataSource, type DatasetOptions } from "../../../src/index.cjs";
import { errorOf, expectError, reasonOf } from "../support/rejection.cjs";
import { all, labels, numbered, texts } from "./support/files.cjs";

const first = async (row: object, options?: DatasetOptions) =>
  (await all(Dataset.from([row], options)))[0];

describe("rows in memory", () => {
  it("come from arrays, iterables and async iterables", async () => {
    const rows = numbered(3);
    async function* later() {
      await Promise.resolve();
      yield* rows;
    }
    for (const source of [rows, new Set(rows), rows.values(), later()]) {
      const data = Dataset.from(source);
      expect(await data.size()).toBe(3);
      expect(await all(data)).toEqual(rows);
      // A second pass: what can be iterated once was kept.
      expect(await all(data)).toEqual(rows);
    }
  });

  it("are not read before they are needed, and once", async () => {
    const next = jest.fn();
    function* rows() {
      next();
      yield { text: "a", label: "b" };
    }
    const data = Dataset.from(rows());
    expect(next).not.toHaveBeenCalled();
    await Promise.all([data.size(), data.badRows(), all(data)]);
    expect(next).toHaveBeenCalledTimes(1);
  });

  it("stay as they were, whatever becomes of the caller's array", async () => {
    const rows = numbered(2);
    const data = Dataset.from(rows);
    expect(await data.size()).toBe(2);
    rows.pop();
    expect(await data.size()).toBe(2);
  });

  it.each([null, 5, "text", {}, undefined])("are no %p", async (source) => {
    await expectError(
      () => Dataset.from(source as DataSource),
      "ERR_INVALID_ARGUMENT",
      "for source",
    );
  });

  it("fail with what the iterable throws, each time", async () => {
    const reason = new Error("connection lost");
    function* rows() {
      yield { text: "a", label: 1 };
      throw reason;
    }
    const data = Dataset.from(rows());
    expect(await reasonOf(data.size())).toBe(reason);
    expect(await reasonOf(data.size())).toBe(reason);
  });
});

describe("columns", () => {
  it("are text or sentence, label or labels, where nothing is said", async () => {
    expect(await first({ sentence: "a", labels: ["x"] })).toEqual({ text: "a", label: ["x"] });
    expect(await first({ sentence: "a", text: "b", labels: 2, label: 1 })).toEqual({
      text: "b",
      label: 1,
    });
  });

  it("are those that the options name", async () => {
    const row = { text: "no", review: "yes", stars: 5 };
    expect(await first(row, { textColumn: "review", labelColumn: "stars" })).toEqual({
      text: "yes",
      label: 5,
    });
  });

  it("that are several make a label of numbers", async () => {
    const row = { text: "a", funny: "1", sad: 0, short: true, score: " -1.5e-1 " };
    expect(await first(row, { labelColumn: ["funny", "sad", "short", "score"] })).toEqual({
      text: "a",
      label: [1, 0, 1, -0.15],
    });
  });
});

describe("labels", () => {
  it.each([
    ["a mapping", { 0: "negative", yes: "positive" }],
    ["a function", (label: string | number) => (label === "yes" ? "positive" : "negative")],
  ])("get their names from %s", async (_, labelNames) => {
    const rows = [
      { text: "a", label: 0 },
      { text: "b", label: "yes" },
    ];
    expect(await labels(Dataset.from(rows, { labelNames }))).toEqual(["negative", "positive"]);
  });

  it("get their names from a list, also those in an array", async () => {
    const rows = [{ text: "a", label: [1, 0] }];
    expect(await labels(Dataset.from(rows, { labelNames: ["no", "yes"] }))).toEqual([
      ["yes", "no"],
    ]);
  });

  it("in one cell are cut at the separator; an empty cell has none", async () => {
    const rows = ["a| b", "a", ""].map((label) => ({ text: "t", label }));
    expect(await labels(Dataset.from(rows, { labelSeparator: "|" }))).toEqual([
      ["a", "b"],
      ["a"],
      [],
    ]);
  });

  it("become numbers or strings on request, after their names", async () => {
    const one = async (label: unknown, options: DatasetOptions) =>
      (await first({ text: "t", label }, options))!.label;
    expect(await one(" 1.5 ", { labelType: "number" })).toBe(1.5);
    expect(await one("good", { labelType: "number", labelNames: { good: "1" } })).toBe(1);
    expect(await one(2, { labelType: "string" })).toBe("2");
    expect(await one(2, { labelNames: (label) => Number(label) / 4 })).toBe(0.5);
    expect(await one(true, {})).toBe("true");
    expect(await one([], {})).toEqual([]);
  });
});

describe("a bad row", () => {
  const cases: [string, unknown, DatasetOptions, string | null, string][] = [
    ["is no object", "text", {}, null, "Expected object for the row but received 'text'"],
    ["is an array", ["a", "b"], {}, null, "Expected object for the row"],
    ["is null", null, {}, null, "received null"],
    ["has no text", { label: 1 }, {}, "text", 'Expected a column "text" or "sentence"'],
    ["has a text that is none", { text: 5, label: 1 }, {}, "text", "received 5 of type number"],
    ["lacks its label", { text: "a" }, {}, "label", 'Expected a column "label" or "labels"'],
    ["has an empty label", { text: "a", label: " " }, {}, "label", "Expected non-empty string"],
    ["has null as label", { text: "a", label: null }, {}, "label", "received null"],
    ["has no finite label", { text: "a", label: NaN }, {}, "label", "received NaN"],
    ["has an object as label", { text: "a", label: {} }, {}, "label", "of type object"],
    [
      "mixes labels",
      { text: "a", label: ["x", 1] },
      {},
      "label",
      "Expected string, as the first is, for each label",
    ],
    ["has a hole among its labels", { text: "a", label: ["x", null] }, {}, "label", "null"],
    [
      "has a label that labelNames lacks",
      { text: "a", label: "toString" },
      { labelNames: { a: "b" } },
      "label",
      "Expected a label in labelNames for the label but received 'toString'",
    ],
    [
      "has a label that labelNames makes nothing of",
      { text: "a", label: 1 },
      { labelNames: () => "" },
      "label",
      "the result of labelNames",
    ],
    [
      "has no number where one is asked for",
      { text: "a", label: "0x10" },
      { labelType: "number" },
      "label",
      "Expected finite number",
    ],
    [
      "has no number in one of several columns",
      { text: "a", x: 1, y: "" },
      { labelColumn: ["x", "y"] },
      "y",
      "Expected finite number",
    ],
    [
      "lacks one of several columns",
      { text: "a", x: 1 },
      { labelColumn: ["x", "y"] },
      "y",
      'Expected a column "y" but there is none',
    ],
  ];

  it.each(cases)("%s", async (_, row, options, column, reason) => {
    const rows = [{ text: "good", label: 1, x: 1, y: 1 }, row] as object[];
    const named = options.labelNames && typeof options.labelNames === "object";
    if (named) rows[0] = { text: "good", label: "a" };
    else if (typeof options.labelNames === "function") rows.shift();
    const place = rows.length - 1;

    const error = await errorOf(Dataset.from(rows, options).size());
    expect(error.code).toBe("ERR_INVALID_DATA");
    expect(error.message).toContain(`row [${String(place)}]`);
    expect(error.message).toContain(reason);
    if (column !== null) expect(error.message).toContain(`column "${column}"`);

    const skipping = Dataset.from(rows, { ...options, onBadRow: "skip" });
    const { count, first: listed } = await skipping.badRows();
    expect(count).toBe(1);
    expect(listed).toEqual([
      { file: null, line: place, column, reason: expect.stringContaining(reason) as string },
    ]);
    expect(await skipping.size()).toBe(place);
  });

  it("is counted, and one of the first hundred listed", async () => {
    const rows = Array.from({ length: 250 }, (_, i) => (i % 2 ? { text: "a", label: 1 } : {}));
    const { count, first: listed } = await Dataset.from(rows, { onBadRow: "skip" }).badRows();
    expect(count).toBe(125);
    expect(listed.map(({ line }) => line)).toEqual(Array.from({ length: 100 }, (_, i) => 2 * i));
  });

  it("is not what a labelNames throws", async () => {
    const reason = new Error("no such label");
    const labelNames = () => {
      throw reason;
    };
    const data = Dataset.from(numbered(1), { labelNames, onBadRow: "skip" });
    expect(await reasonOf(data.size())).toBe(reason);
  });
});

describe("options of rows", () => {
  it.each<[object, string]>([
    [{ textcolumn: "a" }, "textcolumn"],
    [{ format: "csv" }, "format"],
    [{ textColumn: "" }, "options.textColumn"],
    [{ textColumn: -1 }, "options.textColumn"],
    [{ textColumn: 0 }, "Expected names of columns"],
    [{ labelColumn: [] }, "at least one column"],
    [{ labelColumn: [null] }, "options.labelColumn[0]"],
    [{ labelColumn: ["a", 1] }, "Expected names of columns"],
    [{ labelColumn: ["a"], labelNames: { a: "b" } }, "options.labelNames"],
    [{ labelColumn: ["a"], labelSeparator: "|" }, "options.labelSeparator"],
    [{ labelColumn: ["a"], labelType: "number" }, "options.labelType"],
    [{ labelNames: "a" }, "options.labelNames"],
    [{ labelNames: null }, "options.labelNames"],
    [{ labelNames: { a: 1 } }, "options.labelNames[a]"],
    [{ labelSeparator: "" }, "options.labelSeparator"],
    [{ labelType: "boolean" }, "options.labelType"],
    [{ onBadRow: "ignore" }, "options.onBadRow"],
    [{ shuffleBuffer: 5 }, "source that is a function"],
  ])("%j are refused", async (options, part) => {
    await expectError(() => Dataset.from([], options), "ERR_INVALID_ARGUMENT", part);
  });
});

describe("a function as source", () => {
  it("is asked again for each pass and never held as a whole", async () => {
    const make = jest.fn(() => numbered(3));
    const data = Dataset.from(make);
    expect(make).not.toHaveBeenCalled();
    expect(await texts(data)).toEqual(["t0", "t1", "t2"]);
    expect(await texts(data)).toEqual(["t0", "t1", "t2"]);
    expect(make).toHaveBeenCalledTimes(2);
    // The passes told the size.
    expect(await data.size()).toBe(3);
    expect(make).toHaveBeenCalledTimes(2);
  });

  it("may be asynchronous; its bad rows are counted once", async () => {
    const make = async () => {
      await Promise.resolve();
      return [{ text: "a", label: 1 }, {}, { text: "b", label: 2 }];
    };
    const data = Dataset.from(make, { onBadRow: "skip" });
    expect(await data.badRows()).toMatchObject({ count: 1, first: [{ file: null, line: 1 }] });
    expect(await texts(data)).toEqual(["a", "b"]);
    expect(await data.badRows()).toMatchObject({ count: 1 });
    await expectError(Dataset.from(make).size(), "ERR_INVALID_DATA", "row [1]");
  });

  it("has its iterator closed when a loop is left", async () => {
    const closed = jest.fn();
    function* rows() {
      try {
        for (;;) yield { text: "a", label: 1 };
      } finally {
        closed();
      }
    }
    const data = Dataset.from(rows);
    for await (const { texts: batch } of data.batches({ batchSize: 2 })) {
      expect(batch).toEqual(["a", "a"]);
      break;
    }
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it("must give the same rows each time", async () => {
    const rows = numbered(3).values();
    const data = Dataset.from(() => rows);
    expect(await data.size()).toBe(3);
    await expectError(all(data), "ERR_INVALID_DATA", "Expected 3 rows", "received 0");
  });

  it.each([5, "rows", null])("must give an iterable, not %p", async (result) => {
    const data = Dataset.from(() => result as unknown as object[]);
    await expectError(data.size(), "ERR_INVALID_ARGUMENT", "the result of source()");
  });

  it("passes on what its iterator throws", async () => {
    const reason = new Error("connection lost");
    const data = Dataset.from(() => {
      throw reason;
    });
    expect(await reasonOf(data.size())).toBe(reason);
  });
});
