import { MAX_RECORD_BYTES, RecordSplitter } from "../../../src/data/record-splitter.cjs";
import { expectError } from "../support/rejection.cjs";

/** Records as text with their offset and line, whatever the size of the pieces. */
function split(content: string, quotedBy: string | null, pieceSize: number) {
  const bytes = Buffer.from(content);
  const splitter = new RecordSplitter("x", quotedBy, 0);
  const records = [];
  for (let i = 0; i < bytes.length; i += pieceSize) {
    records.push(...splitter.push(Buffer.from(bytes.subarray(i, i + pieceSize))));
  }
  records.push(...splitter.end());
  for (const { offset, bytes: record } of records) {
    expect(bytes.subarray(offset, offset + record.length).equals(record)).toBe(true);
  }
  return records.map(({ line, bytes: record }) => [line, record.toString()]);
}

const PIECES = [1, 2, 3, 7, 1000];

describe.each(PIECES)("records read %i bytes at a time", (size) => {
  it("end at line breaks of both kinds, and at the file's end", () => {
    expect(split("a\r\nbü\n\n\r\nc", null, size)).toEqual([
      [1, "a"],
      [2, "bü"],
      [5, "c"],
    ]);
    expect(split("a\n", null, size)).toEqual([[1, "a"]]);
    expect(split("", null, size)).toEqual([]);
  });

  it("hold the line breaks and delimiters that are quoted", () => {
    expect(split('a,"b\r\n""\n",c\r\n"x,""y",z\nlast', ",", size)).toEqual([
      [1, 'a,"b\r\n""\n",c'],
      [4, '"x,""y",z'],
      [5, "last"],
    ]);
  });

  it("are not joined by a stray quote inside a field", () => {
    expect(split('5" wide,1\na,2"\n"a"b,3\nd,4', ",", size)).toHaveLength(4);
  });

  it("take quotes as characters where nothing is quoted", () => {
    expect(split('"a\nb"\n', null, size)).toEqual([
      [1, '"a'],
      [2, 'b"'],
    ]);
  });
});

describe("a record without an end", () => {
  it("is refused before it fills the memory", async () => {
    const splitter = new RecordSplitter("x.csv", ",", 0);
    splitter.push(Buffer.from('a,b\n"open'));
    await expectError(
      () => splitter.push(Buffer.alloc(MAX_RECORD_BYTES, "a")),
      "ERR_INVALID_DATA",
      "x.csv:2:",
      "quote not closed",
    );
  });
});
