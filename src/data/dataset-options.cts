import path from "node:path";

import {
  boolean,
  naturalNumber,
  nonEmpty,
  nonEmptyString,
  nullable,
  oneOf,
  positiveInteger,
  shaped,
  strings,
  unexpected,
  type Check,
} from "../check.cjs";
import { BertCnnError } from "../errors.cjs";
import { readPath } from "../paths.cjs";
import type { OnBadRow } from "./bad-rows.cjs";
import { delimited, type Dialect } from "./delimited.cjs";
import type { FileFormat } from "./file-format.cjs";
import { jsonl } from "./jsonl.cjs";
import {
  RowReader,
  TextReader,
  type Column,
  type ExampleReader,
  type LabelNames,
  type RowOptions,
} from "./row-reader.cjs";

/** Options of both {@link Dataset.from} and {@link Dataset.fromFile}; `docs/data.md` explains them. */
export interface ColumnOptions {
  /** The text's column, by name; in CSV and TSV also by its place from 0. Default `text`, else `sentence`. */
  textColumn?: Column | undefined;
  /**
   * The label's column. Several columns, each with a number, make a label that is an array of numbers: 0 or 1 for each
   * label, or several regression targets. `null`: the rows have no labels, as for {@link BertCnn.pretrain}. Default
   * `label`, else `labels`.
   */
  labelColumn?: Column | readonly Column[] | null | undefined;
  /** Replaces labels by names: `{ "1": "positive" }`, `["negative", "positive"]`, or a function. Default: as they are. */
  labelNames?: LabelNames | undefined;
  /** What lies between the labels of one cell, `"|"` in `funny|sad`: each label is then an array of names. */
  labelSeparator?: string | undefined;
  /** Turns labels, after `labelNames`, into numbers or strings. Default: as they are, in CSV and TSV strings. */
  labelType?: "string" | "number" | undefined;
  /** `"skip"` leaves bad rows out and counts them. Default `"fail"`. */
  onBadRow?: OnBadRow | undefined;
}

/** Options of {@link Dataset.from}. */
export interface DatasetOptions extends ColumnOptions {
  /** Rows held to shuffle a source that is a function. Default 10,000. */
  shuffleBuffer?: number | undefined;
}

/** Options of {@link Dataset.fromFile}. */
export interface FileDatasetOptions extends ColumnOptions {
  /** Default by the file's ending: .jsonl, .ndjson, .csv or .tsv. */
  format?: "jsonl" | "csv" | "tsv" | undefined;
  /** CSV and TSV: whether the first row names the columns. Default true. */
  header?: boolean | undefined;
  /** CSV and TSV: the character between fields. Default `,` and tab. */
  delimiter?: string | undefined;
  /** CSV and TSV: whether `"` encloses fields, as RFC 4180 has it. Default true for CSV, false for TSV. */
  quote?: boolean | undefined;
}

const column: Check<Column> = (value, name) => {
  if (typeof value === "string" && value !== "") return value;
  if (typeof value === "number") return naturalNumber(value, name);
  throw unexpected("name or place of a column", name, value);
};

const columns: Check<Column | readonly Column[]> = (value, name) => {
  if (!Array.isArray(value)) return column(value, name);
  if (value.length === 0) throw unexpected("at least one column", name, value);
  return Array.from(value, (one, i) => column(one, `${name}[${String(i)}]`));
};

const labelNames: Check<NonNullable<RowOptions["labelNames"]>> = (value, name) => {
  if (typeof value === "function") return value as (label: string | number) => unknown;
  if (typeof value !== "object" || value === null) {
    throw unexpected("object, array or function", name, value);
  }
  const names = Object.entries(value as Record<string, unknown>);
  return new Map(names.map(([raw, to]) => [raw, nonEmptyString(to, `${name}[${raw}]`)]));
};

const delimiter: Check<string> = (value, name) => {
  if (typeof value === "string" && /^[^"\r\n\P{ASCII}]$/u.test(value)) return value;
  throw unexpected("an ASCII character other than quote and line break", name, value);
};

const columnShape = {
  textColumn: column,
  labelColumn: nullable(columns),
  labelNames,
  labelSeparator: nonEmptyString,
  labelType: oneOf("string", "number"),
  onBadRow: oneOf("fail", "skip"),
};

const datasetShape = { ...columnShape, shuffleBuffer: positiveInteger };

const fileShape = {
  ...columnShape,
  format: oneOf("jsonl", "csv", "tsv"),
  header: boolean,
  delimiter,
  quote: boolean,
};

type Given = RowOptions & Partial<Dialect> & { readonly onBadRow?: OnBadRow };

function refuse(message: string): never {
  throw new BertCnnError("ERR_INVALID_ARGUMENT", message);
}

/** Of an array of columns each cell is a number: there is nothing to name, cut or convert. */
function checkColumns(given: Given): void {
  const { labelColumn } = given;
  if (!Array.isArray(labelColumn) && labelColumn !== null) return;
  const which = labelColumn === null ? "null for" : "several columns in";
  for (const name of ["labelNames", "labelSeparator", "labelType"] as const) {
    if (given[name] !== undefined) {
      refuse(`Expected no options.${name} with ${which} options.labelColumn`);
    }
  }
}

function givenColumns({ textColumn, labelColumn }: Given): readonly (Column | undefined)[] {
  return [textColumn, labelColumn ?? undefined].flat();
}

function readerOf(columns: RowOptions): ExampleReader {
  return columns.labelColumn === null ? new TextReader(columns.textColumn) : new RowReader(columns);
}

function checkNamed(given: Given, rows: string): void {
  const place = givenColumns(given).find((one) => typeof one === "number");
  if (place === undefined) return;
  refuse(`Expected names of columns, as ${rows} have no others, but received ${String(place)}`);
}

function checkPlaced(given: Given): void {
  const wanted = given.labelColumn === null ? [given.textColumn] : givenColumns(given);
  const named = wanted.find((one) => typeof one !== "number");
  const received = named === undefined ? "none" : JSON.stringify(named);
  if (wanted.every((one) => typeof one === "number")) return;
  refuse(
    "Expected places of columns for options.textColumn and options.labelColumn with options.header false but " +
      `received ${received}`,
  );
}

/** Reads {@link DatasetOptions}. */
export function readDatasetOptions(value: unknown, streamed: boolean) {
  const given = shaped(value, "options", datasetShape);
  checkColumns(given);
  checkNamed(given, "objects");
  if (!streamed && given.shuffleBuffer !== undefined) {
    refuse("Expected no options.shuffleBuffer: it is for a source that is a function");
  }
  const { onBadRow = "fail", shuffleBuffer = 10_000, ...columns } = given;
  return { reader: readerOf(columns), onBadRow, shuffleBuffer };
}

const ENDINGS: Readonly<Record<string, "jsonl" | "csv" | "tsv">> = {
  ".jsonl": "jsonl",
  ".ndjson": "jsonl",
  ".csv": "csv",
  ".tsv": "tsv",
};

function formatOf(file: string): "jsonl" | "csv" | "tsv" {
  const format = ENDINGS[path.extname(file).toLowerCase()];
  if (format) return format;
  return refuse(
    `Expected options.format, or a file that ends in ${Object.keys(ENDINGS).join(", ")}, but received ${file}`,
  );
}

/** Reads one path or several. */
export function readFiles(value: unknown): readonly string[] {
  if (typeof value === "string") return [readPath(value, "file")];
  const files = nonEmpty(strings, "path or non-empty array of paths")(value, "file");
  return files.map((file, i) => readPath(file, `file[${String(i)}]`));
}

function commonFormat(files: readonly string[]): "jsonl" | "csv" | "tsv" {
  const [first = "jsonl", ...others] = files.map(formatOf);
  const odd = others.find((format) => format !== first);
  if (odd === undefined) return first;
  return refuse(`Expected files of one format but received ${first} and ${odd}`);
}

/** Reads {@link FileDatasetOptions} for these files. */
export function readFileOptions(value: unknown, files: readonly string[]) {
  const given = shaped(value, "options", fileShape);
  checkColumns(given);
  const { onBadRow = "fail", format = commonFormat(files), ...rest } = given;
  const { header, delimiter, quote, ...columns } = rest;
  const reader = readerOf(columns);
  const dialect = { header, delimiter, quote };
  return { reader, onBadRow, format: fileFormat(format, reader, given, dialect) };
}

function fileFormat(
  format: "jsonl" | "csv" | "tsv",
  reader: ExampleReader,
  given: Given,
  dialect: { [K in keyof Dialect]: Dialect[K] | undefined },
): FileFormat {
  if (format === "jsonl") {
    checkNamed(given, "lines of JSON");
    for (const name of ["header", "delimiter", "quote"] as const) {
      if (dialect[name] !== undefined) refuse(`Expected no options.${name}: it is for CSV and TSV`);
    }
    return jsonl(reader);
  }
  const csv = format === "csv";
  const { header = true, delimiter = csv ? "," : "\t", quote = csv } = dialect;
  if (!header) checkPlaced(given);
  return delimited(reader, { header, delimiter, quote });
}
