import type { Example } from "./example.cjs";
import type { RowProblem } from "./bad-rows.cjs";
import type { RawRecord } from "./record-splitter.cjs";

/** What a record holds: an example, a problem, or nothing (a header, a blank line). */
export type Parsed = Example | RowProblem | null;

/** How the records of one file are read; remembers what the file's beginning says about the rest. */
export interface FileParser {
  /** What each of the records holds; the file's first one comes first in the first call. */
  parse(records: readonly RawRecord[]): Parsed[];
}

/** A format of files. */
export interface FileFormat {
  /** The delimiter of fields where these may be quoted and hold line breaks, else `null`. */
  readonly quotedBy: string | null;
  /** @param file - its name, for errors */
  parser(file: string): FileParser;
}
