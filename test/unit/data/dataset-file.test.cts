import { readdirSync, readlinkSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";

import { Dataset, type FileDatasetOptions } from "../../../src/index.cjs";
import { errorOf, expectError, reasonOf } from "../support/rejection.cjs";
import { all, file, labels, rowsOf, texts, useFolder } from "./support/files.cjs";

useFolder();

const BOM = "\ufeff";

/** Reads in order and shuffled, which read by different ways, and expects the same rows. */
async function readBothWays(data: Dataset) {
  const rows = await all(data);
  for await (const batch of data.batches({ shuffle: true, batchSize: 3 })) {
    expect(batch.texts).toEqual(batch.rows.map((row) => rows[row]!.text));
    expect(batch.labels).toEqual(batch.rows.map((row) => rows[row]!.label));
  }
  expect(await data.size()).toBe(rows.length);
  return rows;
}

/** The files under this path that the process has open. */
function openFiles(folder: string): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return "";
      }
    })
    .filter((target) => target.startsWith(folder));
}

describe("JSONL", () => {
  it("is read with any line break, blank lines, a byte order mark and no last line break", async () => {
    const lines = `${BOM}{"text":"äöü 😀","label":1}\r\n\n  \r\n{"text":"b\\n","label":0}\n{"label":2,"text":"c"}`;
    for (const name of ["a.jsonl", "a.ndjson", "a.JSONL"]) {
      expect(await readBothWays(Dataset.fromFile(file(name, lines)))).toEqual([
        { text: "äöü 😀", label: 1 },
        { text: "b\n", label: 0 },
        { text: "c", label: 2 },
      ]);
    }
  });

  it("maps columns and labels as rows in memory do", async () => {
    const target = file("a.jsonl", '{"review":"a","stars":[1,0]}\n');
    const data = Dataset.fromFile(target, {
      textColumn: "review",
      labelColumn: "stars",
      labelNames: ["bad", "good"],
    });
    expect(await all(data)).toEqual([{ text: "a", label: ["good", "bad"] }]);
  });

  it("tells of broken lines by file, line, column and reason", async () => {
    const target = file(
      "a.jsonl",
      Buffer.concat([
        Buffer.from('{"text":"good","label":1}\n\n{"text":"open\n5\n{"text":"a"}\n'),
        Buffer.from('{"text":"'),
        Buffer.of(0xff, 0xc3),
        Buffer.from('","label":1}\n{"text":7,"label":1}\n{"text":"last","label":2}'),
      ]),
    );
    const error = await errorOf(Dataset.fromFile(target).size());
    expect(error.code).toBe("ERR_INVALID_DATA");
    expect(error.message).toMatch(new RegExp(`^${target}:3: Expected JSON: `));
    expect(error.cause).toHaveProperty("name", "SyntaxError");

    const data = Dataset.fromFile(target, { onBadRow: "skip" });
    const { count, first } = await data.badRows();
    expect(count).toBe(5);
    expect(first.map(({ line, column }) => [line, column])).toEqual([
      [3, null],
      [4, null],
      [5, "label"],
      [6, null],
      [7, "text"],
    ]);
    expect(first.every((row) => row.file === target)).toBe(true);
    expect(await readBothWays(data)).toEqual([
      { text: "good", label: 1 },
      { text: "last", label: 2 },
    ]);
  });
});

describe("CSV", () => {
  const rows = [
    "id,text,label",
    '1,"a, ""b""\r\nsecond line äöü",pos',
    "2,plain 😀 text,neg",
    '3,"",pos',
    '4,"last\n\n""",neg',
  ];
  const examples = [
    { text: 'a, "b"\r\nsecond line äöü', label: "pos" },
    { text: "plain 😀 text", label: "neg" },
    { text: "", label: "pos" },
    { text: 'last\n\n"', label: "neg" },
  ];

  it.each([
    ["LF", "\n", ""],
    ["CRLF", "\r\n", ""],
    ["empty lines", "\n\n\r\n", ""],
    ["a byte order mark", "\n", BOM],
  ])("is read as RFC 4180 has it, with %s", async (_, lineBreak, before) => {
    const content = before + rows.join(lineBreak);
    expect(await readBothWays(Dataset.fromFile(file("a.csv", content)))).toEqual(examples);
    expect(await readBothWays(Dataset.fromFile(file("b.csv", content + lineBreak)))).toEqual(
      examples,
    );
  });

  it("has columns by place where there is no header, or beside one", async () => {
    const headless = file("a.csv", rows.slice(1).join("\n"));
    const byPlace = { textColumn: 1, labelColumn: 2 };
    expect(await readBothWays(Dataset.fromFile(headless, { ...byPlace, header: false }))).toEqual(
      examples,
    );
    expect(await all(Dataset.fromFile(file("b.csv", rows.join("\n")), byPlace))).toEqual(examples);
  });

  it("takes another delimiter, and no quotes", async () => {
    const target = file("a.csv", 'text;label\n"a, b;1\n');
    const data = Dataset.fromFile(target, { delimiter: ";", quote: false, labelType: "number" });
    expect(await all(data)).toEqual([{ text: '"a, b', label: 1 }]);
  });

  it("keeps labels as strings unless numbers are asked for", async () => {
    const target = file("a.csv", "text,label\na,1\nb,0.5\nc,x\n");
    expect(await labels(Dataset.fromFile(target))).toEqual(["1", "0.5", "x"]);
    const numbers = Dataset.fromFile(target, { labelType: "number", onBadRow: "skip" });
    expect(await labels(numbers)).toEqual([1, 0.5]);
    expect((await numbers.badRows()).first).toMatchObject([{ line: 4, column: "label" }]);
  });

  it("gives numbers of several columns", async () => {
    const target = file("a.csv", "text,sad,funny\na,1,0\nb,1,1\n");
    const data = Dataset.fromFile(target, { labelColumn: ["sad", "funny"] });
    expect(await labels(data)).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(await data.labelNames()).toEqual(["sad", "funny"]);
  });

  it("tells of bad rows by the line on which they begin, and reads the others", async () => {
    const target = file(
      "a.csv",
      Buffer.concat([
        Buffer.from('text,label\n"two\r\nlines",a\nfew\n5" wide,b\n"x"y,c\ntoo,many,fields\n"'),
        Buffer.of(0xe4),
        Buffer.from('",d\nempty,\ngood,e\n"not closed,f\nlost,g\n'),
      ]),
    );
    const data = Dataset.fromFile(target, { onBadRow: "skip" });
    expect(await readBothWays(data)).toEqual([
      { text: "two\r\nlines", label: "a" },
      { text: "good", label: "e" },
    ]);
    const { count, first } = await data.badRows();
    expect(count).toBe(7);
    expect(first.map(({ line, column, reason }) => [line, column, reason])).toEqual([
      [4, null, "Expected 2 fields but received 1"],
      [5, null, "Expected fields as in RFC 4180 but received: Invalid Opening Quote"],
      [6, null, "Expected fields as in RFC 4180 but received: Invalid Closing Quote"],
      [7, null, "Expected 2 fields but received 3"],
      [8, null, "Expected UTF-8 but received other bytes"],
      [9, "label", expect.stringContaining("Expected non-empty string")],
      [11, null, "Expected fields as in RFC 4180 but received: Quote Not Closed"],
    ]);
    await expectError(Dataset.fromFile(target).size(), "ERR_INVALID_DATA", `${target}:4: Expected`);
  });

  it("without a header learns the number of columns from the first row that has them", async () => {
    const target = file("a.csv", "broken\na,1,x\nb,2\nc,3,y\n");
    const options: FileDatasetOptions = { header: false, textColumn: 0, labelColumn: 1 };
    const data = Dataset.fromFile(target, { ...options, onBadRow: "skip" });
    expect(await texts(data)).toEqual(["a", "c"]);
    expect((await data.badRows()).first).toMatchObject([
      { line: 1, column: 1, reason: "Expected a column 1 but there is none" },
      { line: 3, column: null },
    ]);
    await expectError(Dataset.fromFile(target, options).size(), "ERR_INVALID_DATA", "column 1: ");
  });

  it.each<[string, string | Buffer, FileDatasetOptions, string]>([
    ["lacks the text", "label,x\n1,2\n", {}, 'Expected a column "text" or "sentence"'],
    ["lacks the label", "text,x\n1,2\n", {}, 'the header is ["text","x"]'],
    ["lacks a place", "text,x\n1,2\n", { labelColumn: 2 }, "Expected a column 2"],
    ["has a column twice", "text,label,label\n1,2,3\n", {}, "there twice"],
    ["is no UTF-8", Buffer.of(0x74, 0xff, 0x0a), {}, "Expected UTF-8"],
    ["has a stray quote", 'te"xt,label\n', {}, "Invalid Opening Quote"],
  ])("fails where the header %s, whatever onBadRow is", async (_, content, options, part) => {
    const target = file("a.csv", content);
    const data = Dataset.fromFile(target, { ...options, onBadRow: "skip" });
    await expectError(data.size(), "ERR_INVALID_DATA", `${target}:1: `, part);
  });

  it("may be empty", async () => {
    for (const content of ["", "text,label\n", BOM]) {
      const data = Dataset.fromFile(file("a.csv", content));
      expect(await data.size()).toBe(0);
      expect(await all(data)).toEqual([]);
    }
  });
});

describe("TSV", () => {
  it("takes quotes as characters, as in the ratings of VADER", async () => {
    const target = file(
      "a_GroundTruth.txt",
      '1\t2.5\t"Great, isn\'t it?\r\n2\t-0.8\tsay "no"\n3\t0\t"',
    );
    const data = Dataset.fromFile(target, {
      format: "tsv",
      header: false,
      textColumn: 2,
      labelColumn: 1,
      labelType: "number",
    });
    expect(await readBothWays(data)).toEqual([
      { text: "\"Great, isn't it?", label: 2.5 },
      { text: 'say "no"', label: -0.8 },
      { text: '"', label: 0 },
    ]);
  });

  it("is read with quotes on request", async () => {
    const target = file("a.tsv", 'text\tlabel\n"a\tb\n""c"""\tx\n');
    expect(await readBothWays(Dataset.fromFile(target, { quote: true }))).toEqual([
      { text: 'a\tb\n"c"', label: "x" },
    ]);
  });

  it("tells of rows that are no UTF-8 or have other fields", async () => {
    const bytes = [Buffer.from("text\tlabel\na\tb\tc\n"), Buffer.of(0xff, 9, 0x61, 10)];
    const data = Dataset.fromFile(file("a.tsv", Buffer.concat(bytes)), { onBadRow: "skip" });
    expect((await data.badRows()).first.map(({ line, reason }) => [line, reason])).toEqual([
      [2, "Expected 2 fields but received 3"],
      [3, "Expected UTF-8 but received other bytes"],
    ]);
  });
});

describe("several files", () => {
  it("follow one another, each with its own header", async () => {
    const one = file("1.csv", "text,label\na,1\n");
    const empty = file("2.csv", "label,text\n");
    const two = file("3.CSV", "id,label,text\n7,2,b\n8,3,c\nx\n");
    const data = Dataset.fromFile([one, empty, two], { onBadRow: "skip" });
    expect(await readBothWays(data)).toEqual([
      { text: "a", label: "1" },
      { text: "b", label: "2" },
      { text: "c", label: "3" },
    ]);
    expect((await data.badRows()).first).toMatchObject([{ file: two, line: 4 }]);
  });
});

describe("a large file", () => {
  const count = 100_000;
  const text = (row: number) =>
    row % 3 === 0 ? `row ${String(row)}, "ä😀"\r\nsecond line` : `row ${String(row)}`;
  const quoted = (row: number) => `"${text(row).replaceAll('"', '""')}"`;

  it("shuffles to a permutation whose texts are those of their rows", async () => {
    const lines = Array.from({ length: count }, (_, i) => `${quoted(i)},${String(i % 5)}`);
    const data = Dataset.fromFile(file("large.csv", ["text,label", ...lines, ""].join("\n")));
    const seen = new Uint8Array(count);
    for await (const batch of data.batches({ batchSize: 512, shuffle: true, seed: 1 })) {
      for (const [i, row] of batch.rows.entries()) {
        seen[row]! += 1;
        if (batch.texts[i] !== text(row) || batch.labels[i] !== String(row % 5)) {
          throw new Error(`Row ${String(row)} has the text ${String(batch.texts[i])}`);
        }
      }
    }
    expect(seen.every((times) => times === 1)).toBe(true);
  });

  it("is read from where a run ended, without the texts before", async () => {
    const lines = Array.from(
      { length: 5000 },
      (_, i) => `{"text":"${"x".repeat(100)}","label":${String(i)}}`,
    );
    const data = Dataset.fromFile(file("a.jsonl", lines.join("\n")));
    const options = { batchSize: 50, shuffle: true, seed: 2 };
    const whole = await rowsOf(data, options);
    expect(await rowsOf(data, { ...options, skip: 99 })).toEqual(whole.slice(99));
  });

  it("may hold a row longer than what is read at once, and rows far apart", async () => {
    const long = "ü".repeat(2 * 2 ** 20);
    const rows = ["a", long, "b", "x".repeat(10_000), "c"];
    const target = file("a.tsv", ["text\tlabel", ...rows.map((row) => `${row}\t1`)].join("\n"));
    const data = Dataset.fromFile(target);
    expect(await texts(data)).toEqual(rows);
    await readBothWays(data);
  });
});

describe("the file of a data set", () => {
  const content = '{"text":"a","label":1}\n{"text":"b","label":2}\n';

  it("is closed after a loop, a loop that was left, and an error", async () => {
    const target = file("a.jsonl", content);
    const folder = path.dirname(target);
    const data = Dataset.fromFile(target);
    for await (const batch of data.batches({ batchSize: 1 })) {
      expect(batch.rows).toEqual([0]);
      expect(openFiles(folder)).toEqual([target]);
      break;
    }
    expect(openFiles(folder)).toEqual([]);
    await all(data);
    await data.fingerprint();
    await expectError(Dataset.fromFile(file("b.jsonl", "{")).size(), "ERR_INVALID_DATA");
    const iterate = async () => {
      for await (const batch of data.batches()) throw new TypeError(String(batch.rows));
    };
    await expect(iterate()).rejects.toThrow(TypeError);
    expect(openFiles(folder)).toEqual([]);
  });

  it.each([
    ["its size", '{"text":"a","label":1}\n'],
    ["its time of change", content.replace("b", "c")],
    ["its size, to nothing", ""],
  ])("must not change %s in between", async (_, other) => {
    const target = file("a.jsonl", content);
    const data = Dataset.fromFile(target);
    expect(await data.size()).toBe(2);
    writeFileSync(target, other);
    utimesSync(target, 1e9, 1e9);
    await expectError(all(data), "ERR_INVALID_DATA", target, "make a new Dataset");
  });

  it("must not change its size, though the time of change is set back", async () => {
    const target = file("a.jsonl", content);
    utimesSync(target, 1e9, 1e9);
    const data = Dataset.fromFile(target);
    expect(await data.size()).toBe(2);
    writeFileSync(target, `${content}\n`);
    utimesSync(target, 1e9, 1e9);
    await expectError(all(data), "ERR_INVALID_DATA", "make a new Dataset");
  });

  it("must not change while it is read", async () => {
    const lines = Array.from({ length: 3000 }, () => content).join("");
    const target = file("a.jsonl", lines);
    const iterate = async () => {
      for await (const batch of Dataset.fromFile(target).batches({ batchSize: 1024 })) {
        if (batch.rows[0] === 0) writeFileSync(target, lines.slice(1));
      }
    };
    await expectError(iterate(), "ERR_INVALID_DATA", "make a new Dataset");
  });

  it("must be there and be a file", async () => {
    const target = file("a.jsonl", content);
    const missing = `${target}.jsonl`;
    await expectError(Dataset.fromFile(missing).size(), "ERR_FILE_NOT_FOUND", missing, "ENOENT");
    const folder = path.dirname(target);
    await expectError(Dataset.fromFile(folder, { format: "csv" }).size(), "ERR_IO", "regular file");
    const inFile = path.join(target, "b.jsonl");
    await expectError(Dataset.fromFile(inFile).size(), "ERR_IO", "ENOTDIR");
  });

  it("is named by a path that later changes of the working directory leave alone", async () => {
    const target = file("a.jsonl", content);
    const before = process.cwd();
    const data = Dataset.fromFile(path.relative(before, target));
    const spy = jest.spyOn(process, "cwd").mockReturnValue("/");
    try {
      expect(await data.size()).toBe(2);
    } finally {
      spy.mockRestore();
    }
  });

  it("gives the fingerprint that its rows have in memory", async () => {
    const print = await Dataset.fromFile(file("a.jsonl", content)).fingerprint();
    const rows = [
      { text: "a", label: 1 },
      { text: "b", label: 2 },
    ];
    expect(await Dataset.from(rows).fingerprint()).toBe(print);
    const csv = Dataset.fromFile(file("a.csv", "text,label\na,1\nb,2"), { labelType: "number" });
    expect(await csv.fingerprint()).toBe(print);
  });

  it("has bad rows also where labelNames changes its mind later", async () => {
    let right = true;
    const labelNames = () => (right ? "x" : "");
    const data = Dataset.fromFile(file("a.jsonl", content), { labelNames, onBadRow: "skip" });
    expect(await data.size()).toBe(2);
    right = false;
    await expectError(all(data), "ERR_INVALID_DATA", "row 0 of", "the result of labelNames");
  });
});

describe("what labelNames throws", () => {
  it("is no bad row of a file", async () => {
    const reason = new Error("no such label");
    const labelNames = () => {
      throw reason;
    };
    const target = file("a.jsonl", '{"text":"a","label":1}');
    const data = Dataset.fromFile(target, { labelNames, onBadRow: "skip" });
    expect(await reasonOf(data.size())).toBe(reason);
  });
});

describe("options of files", () => {
  it.each<[string | string[], object, string]>([
    ["a.txt", {}, "Expected options.format"],
    ["a", {}, "Expected options.format"],
    [["a.csv", "b.tsv"], {}, "Expected files of one format but received csv and tsv"],
    [[], {}, "non-empty array of paths"],
    ["", {}, "for file"],
    [["a.csv", ""], {}, "file[1]"],
    ["a.csv", { shuffleBuffer: 5 }, "shuffleBuffer"],
    ["a.csv", { format: "xml" }, "options.format"],
    ["a.csv", { header: 1 }, "options.header"],
    ["a.csv", { delimiter: "::" }, "options.delimiter"],
    ["a.csv", { delimiter: '"' }, "options.delimiter"],
    ["a.csv", { delimiter: "\n" }, "options.delimiter"],
    ["a.csv", { delimiter: "ü" }, "options.delimiter"],
    ["a.csv", { quote: "'" }, "options.quote"],
    ["a.csv", { header: false }, "received none"],
    ["a.csv", { header: false, textColumn: 0 }, "received none"],
    ["a.csv", { header: false, textColumn: 0, labelColumn: "b" }, 'received "b"'],
    ["a.csv", { header: false, textColumn: 0, labelColumn: [1, "c"] }, 'received "c"'],
    ["a.csv", { labelColumn: [0], labelType: "string" }, "options.labelType"],
    ["a.jsonl", { header: true }, "options.header"],
    ["a.jsonl", { delimiter: "," }, "options.delimiter"],
    ["a.jsonl", { quote: true }, "options.quote"],
    ["a.jsonl", { labelColumn: ["a", 1] }, "Expected names of columns, as lines of JSON"],
  ])("of %j: %j are refused", async (name, options, part) => {
    await expectError(() => Dataset.fromFile(name, options), "ERR_INVALID_ARGUMENT", part);
  });
});
