import { unexpected } from "../check.cjs";
import { RowProblem } from "./bad-rows.cjs";
import type { Example, Label } from "./example.cjs";

/** A column's name, or its place from 0. */
export type Column = string | number;

/** What a label is called, by what the data call it: a mapping, a list for labels 0, 1, ..., or a function. */
export type LabelNames =
  | Readonly<Record<string, string>>
  | readonly string[]
  | ((label: string | number) => string | number);

/** Which cells make an example, and what becomes of them. */
export interface RowOptions {
  readonly textColumn?: Column;
  readonly labelColumn?: Column | readonly Column[] | null;
  readonly labelNames?: ReadonlyMap<string, string> | ((label: string | number) => unknown);
  readonly labelSeparator?: string;
  readonly labelType?: "string" | "number";
}

/** A row of any format. */
export interface Row {
  has(column: Column): boolean;
  cell(column: Column): unknown;
}

const TEXT_COLUMNS: readonly Column[] = ["text", "sentence"];
const LABEL_COLUMNS: readonly Column[] = ["label", "labels"];
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function problem(expected: string, name: string, value: unknown, column: Column): RowProblem {
  return new RowProblem(column, unexpected(expected, name, value).message);
}

function isArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === "string" && !value.trim());
}

function toNumber(value: unknown, column: Column): number {
  if (typeof value === "boolean") return Number(value);
  const number =
    typeof value === "string" && DECIMAL.test(value.trim()) ? Number(value.trim()) : value;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw problem("finite number", "the label", value, column);
}

/** The first of `columns` that the row has. */
function present(row: Row, columns: readonly Column[]): Column {
  const found = columns.find((column) => row.has(column));
  if (found !== undefined) return found;
  const names = columns.map((column) => JSON.stringify(column)).join(" or ");
  throw new RowProblem(columns[0] ?? null, `Expected a column ${names} but there is none`);
}

/** What makes examples of rows. */
export interface ExampleReader {
  /** Names of the columns that each give one of a label's numbers, if several do. */
  readonly numberColumns: readonly string[] | null;
  /** The columns that make an example of this row; throws a {@link RowProblem} where one is missing. */
  columns(row: Row): readonly Column[];
  /** Throws a {@link RowProblem} where the row does not give an example. */
  read(row: Row): Example;
}

/** Makes examples of rows without labels, whose label is empty. */
export class TextReader implements ExampleReader {
  readonly numberColumns = null;
  readonly #columns: readonly Column[];

  constructor(textColumn: Column | undefined) {
    this.#columns = textColumn === undefined ? TEXT_COLUMNS : [textColumn];
  }

  columns(row: Row): readonly Column[] {
    return [present(row, this.#columns)];
  }

  read(row: Row): Example {
    return { text: readText(row, present(row, this.#columns)), label: "" };
  }
}

function readText(row: Row, column: Column): string {
  const text = row.cell(column);
  if (typeof text !== "string") throw problem("string", "the text", text, column);
  return text;
}

/** Makes examples of rows. */
export class RowReader implements ExampleReader {
  readonly #options: RowOptions;
  readonly #textColumns: readonly Column[];
  /** One of them is the label's; `null` where each of `labelColumn` gives a number. */
  readonly #labelColumns: readonly Column[] | null;
  readonly #numberColumns: readonly Column[];

  constructor(options: RowOptions) {
    const { textColumn, labelColumn } = options;
    this.#options = options;
    this.#textColumns = textColumn === undefined ? TEXT_COLUMNS : [textColumn];
    this.#numberColumns = isArray(labelColumn) ? labelColumn : [];
    if (isArray(labelColumn)) this.#labelColumns = null;
    else this.#labelColumns = labelColumn == null ? LABEL_COLUMNS : [labelColumn];
  }

  get numberColumns(): readonly string[] | null {
    return this.#labelColumns === null ? this.#numberColumns.map(String) : null;
  }

  columns(row: Row): readonly Column[] {
    const labels = this.#labelColumns
      ? [present(row, this.#labelColumns)]
      : this.#numberColumns.map((column) => present(row, [column]));
    return [present(row, this.#textColumns), ...labels];
  }

  read(row: Row): Example {
    const [textColumn = "", labelColumn = "", ...more] = this.columns(row);
    const text = readText(row, textColumn);
    if (this.#labelColumns) return { text, label: this.#label(row.cell(labelColumn), labelColumn) };
    const label = [labelColumn, ...more].map((column) => toNumber(row.cell(column), column));
    return { text, label };
  }

  #label(raw: unknown, column: Column): Label {
    const { labelSeparator } = this.#options;
    if (labelSeparator !== undefined && typeof raw === "string") {
      const names = raw.split(labelSeparator).map((name) => name.trim());
      // An empty cell is a row without labels.
      return names.length === 1 && names[0] === "" ? [] : this.#labels(names, column);
    }
    return isArray(raw) ? this.#labels(raw, column) : this.#single(raw, column);
  }

  #labels(raw: readonly unknown[], column: Column): readonly string[] | readonly number[] {
    const labels = Array.from(raw, (label) => this.#single(label, column));
    const type = typeof labels[0];
    const odd = labels.find((label) => typeof label !== type);
    if (odd !== undefined) throw problem(`${type}, as the first is,`, "each label", odd, column);
    return labels as string[] | number[];
  }

  #single(raw: unknown, column: Column): string | number {
    const value = typeof raw === "boolean" ? String(raw) : raw;
    const isLabel = typeof value === "string" || (typeof value === "number" && isFinite(value));
    if (!isLabel || isEmpty(value)) {
      throw problem("non-empty string or finite number", "the label", raw, column);
    }
    const name = this.#name(value, column);
    const { labelType } = this.#options;
    if (labelType === "number") return toNumber(name, column);
    return labelType === "string" ? String(name) : name;
  }

  #name(value: string | number, column: Column): string | number {
    const { labelNames } = this.#options;
    if (labelNames === undefined) return value;
    if (typeof labelNames === "function") {
      const name = labelNames(value);
      if (typeof name === "number" && isFinite(name)) return name;
      if (typeof name === "string" && !isEmpty(name)) return name;
      throw problem("non-empty string or finite number", "the result of labelNames", name, column);
    }
    const name = labelNames.get(String(value));
    if (name === undefined) throw problem("a label in labelNames", "the label", value, column);
    return name;
  }
}

/** An object as a row; what is none is a {@link RowProblem}. */
export function objectRow(value: unknown): Row {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new RowProblem(null, unexpected("object", "the row", value).message);
  }
  const cells = value as Record<string, unknown>;
  return { has: (column) => column in cells, cell: (column) => cells[column] };
}
