import { isUtf8 } from "node:buffer";

import { RowProblem } from "./bad-rows.cjs";
import type { Example } from "./example.cjs";
import type { FileFormat, Parsed } from "./file-format.cjs";
import { objectRow, type ExampleReader } from "./row-reader.cjs";

/** Bytes as text; a {@link RowProblem} where they are no UTF-8. */
export function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new RowProblem(null, "Expected UTF-8 but received other bytes");
  return bytes.toString("utf8");
}

/** What `work` gives, or the {@link RowProblem} that it throws. */
export function orProblem<T>(work: () => T): T | RowProblem {
  try {
    return work();
  } catch (error) {
    if (error instanceof RowProblem) return error;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RowProblem(null, `Expected JSON: ${(cause as Error).message}`, { cause });
  }
}

function parseLine(bytes: Buffer, reader: ExampleReader): Example | null {
  const text = decode(bytes);
  return text.trim() === "" ? null : reader.read(objectRow(parseJson(text)));
}

/** A JSON object a line. */
export function jsonl(reader: ExampleReader): FileFormat {
  const parse = (records: readonly { readonly bytes: Buffer }[]): Parsed[] =>
    records.map(({ bytes }) => orProblem(() => parseLine(bytes, reader)));
  return { quotedBy: null, parser: () => ({ parse }) };
}
