import { open, type FileHandle } from "node:fs/promises";

import { BertCnnError } from "../errors.cjs";
import { RowProblem, type BadRowCounter } from "./bad-rows.cjs";
import { elementAt } from "./element.cjs";
import type { Example } from "./example.cjs";
import type { FileFormat, FileParser } from "./file-format.cjs";
import { RecordSplitter, type RawRecord } from "./record-splitter.cjs";

/** Bytes read at once in the first pass: what is parsed without a break for others. */
const PIECE_BYTES = 64 * 2 ** 10;
/** Rows that lie this near to each other are read together. */
const GAP_BYTES = 4 * 2 ** 10;
/** Bytes read together at most, unless one row is longer. */
const SPAN_BYTES = 2 ** 20;

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** A growing list of numbers, 8 bytes each. */
class Offsets {
  #values = new Float64Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Float64Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  values(): Float64Array {
    return this.#values.slice(0, this.length);
  }
}

/** Runs `work`, whose errors of the operating system become errors of this library. */
async function reading<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { code, syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new BertCnnError(
      code === "ENOENT" ? "ERR_FILE_NOT_FOUND" : "ERR_IO",
      `Expected a file of data but ${file} cannot be read (${String(code)})`,
      { cause },
    );
  }
}

/** What must stay the same while a file's offsets are in use. */
interface Identity {
  readonly size: number;
  readonly mtimeMs: number;
}

async function identify(handle: FileHandle, file: string): Promise<Identity> {
  const stats = await handle.stat();
  if (stats.isFile()) return stats;
  throw new BertCnnError(
    "ERR_IO",
    `Expected a regular file but ${file} is none; give Dataset.from what reads it instead`,
  );
}

function changed(file: string): never {
  throw new BertCnnError(
    "ERR_INVALID_DATA",
    `Expected ${file} to stay as it was when it was first read but its size or time of change differs; ` +
      "make a new Dataset",
  );
}

function checkSame(file: string, before: Identity, now: Identity): void {
  if (before.size !== now.size || before.mtimeMs !== now.mtimeMs) changed(file);
}

/** Fills a new buffer from `offset` on; shorter where the file ends. */
async function readBytes(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** The records of a file, those that end in one piece at a time. */
async function* records(
  handle: FileHandle,
  file: string,
  quotedBy: string | null,
): AsyncGenerator<RawRecord[], void> {
  const beginning = await readBytes(handle, 0, BYTE_ORDER_MARK.length);
  let offset = beginning.equals(BYTE_ORDER_MARK) ? beginning.length : 0;
  const splitter = new RecordSplitter(file, quotedBy, offset);
  for (;;) {
    const piece = await readBytes(handle, offset, PIECE_BYTES);
    if (piece.length === 0) break;
    yield splitter.push(piece);
    offset += piece.length;
  }
  yield splitter.end();
}

/** Where the rows of a file begin, found by one pass over it that also checks every row. */
export class DataFile {
  readonly name: string;
  readonly #quotedBy: string | null;
  readonly #parser: FileParser;
  readonly #identity: Identity;
  readonly #offsets: Float64Array;

  private constructor(
    name: string,
    quotedBy: string | null,
    parser: FileParser,
    identity: Identity,
    offsets: Float64Array,
  ) {
    this.name = name;
    this.#quotedBy = quotedBy;
    this.#parser = parser;
    this.#identity = identity;
    this.#offsets = offsets;
  }

  static async index(name: string, format: FileFormat, bad: BadRowCounter): Promise<DataFile> {
    const parser = format.parser(name);
    const offsets = new Offsets();
    const identity = await reading(name, async () => {
      const handle = await open(name);
      try {
        const before = await identify(handle, name);
        for await (const found of records(handle, name, format.quotedBy)) {
          note(found, parser, name, offsets, bad);
        }
        checkSame(name, before, await handle.stat());
        return before;
      } finally {
        await handle.close();
      }
    });
    return new DataFile(name, format.quotedBy, parser, identity, offsets.values());
  }

  get rows(): number {
    return this.#offsets.length;
  }

  /** Opens the file for {@link read}. */
  async open(): Promise<FileHandle> {
    return reading(this.name, () => open(this.name));
  }

  /** Reads rows in any order; neighbours in the file are read together. */
  async read(handle: FileHandle, rows: readonly number[]): Promise<Example[]> {
    const raw: RawRecord[] = [];
    await reading(this.name, async () => {
      await Promise.all(this.#spans(rows).map((span) => this.#readSpan(handle, rows, span, raw)));
      checkSame(this.name, this.#identity, await handle.stat());
    });
    return this.#parser.parse(raw).map((parsed, i) => {
      if (parsed !== null && !(parsed instanceof RowProblem)) return parsed;
      // It was right in the first pass: only a labelNames that changes its mind gets here.
      throw new BertCnnError(
        "ERR_INVALID_DATA",
        `Expected row ${String(rows[i])} of ${this.name} to be right, as it was when it was first read; ` +
          String(parsed?.message),
        { cause: parsed },
      );
    });
  }

  #begin(row: number): number {
    return elementAt(this.#offsets, row);
  }

  /** Where the next row begins: bad rows and blank lines may lie before it. */
  #end(row: number): number {
    return this.#offsets[row + 1] ?? this.#identity.size;
  }

  /** Runs of places in `rows` whose rows are to be read together. */
  #spans(rows: readonly number[]): number[][] {
    const spans: number[][] = [];
    let [begin, end] = [0, -Infinity];
    const row = (place: number) => elementAt(rows, place);
    for (const place of [...rows.keys()].sort((a, b) => row(a) - row(b))) {
      const past = this.#end(row(place));
      const near = this.#begin(row(place)) - end <= GAP_BYTES && past - begin <= SPAN_BYTES;
      if (near) spans.at(-1)?.push(place);
      else {
        spans.push([place]);
        begin = this.#begin(row(place));
      }
      end = past;
    }
    return spans;
  }

  async #readSpan(
    handle: FileHandle,
    rows: readonly number[],
    span: readonly number[],
    raw: RawRecord[],
  ): Promise<void> {
    const inOrder = span.map((place) => elementAt(rows, place));
    const begin = this.#begin(elementAt(inOrder, 0));
    const end = this.#end(elementAt(inOrder, inOrder.length - 1));
    const bytes = await readBytes(handle, begin, end - begin);
    inOrder.forEach((row, i) => {
      const offset = this.#begin(row);
      const splitter = new RecordSplitter(this.name, this.#quotedBy, offset);
      const piece = bytes.subarray(offset - begin, this.#end(row) - begin);
      const [record = changed(this.name)] = [...splitter.push(piece), ...splitter.end()];
      raw[elementAt(span, i)] = record;
    });
  }
}

function note(
  found: readonly RawRecord[],
  parser: FileParser,
  name: string,
  offsets: Offsets,
  bad: BadRowCounter,
): void {
  parser.parse(found).forEach((parsed, i) => {
    const { offset, line } = elementAt(found, i);
    if (parsed instanceof RowProblem) bad.add(parsed, name, line);
    else if (parsed !== null) offsets.push(offset);
  });
}
