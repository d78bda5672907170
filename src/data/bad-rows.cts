import { BertCnnError } from "../errors.cjs";

/** A row that cannot be used. */
export interface BadRow {
  /** The file; `null` where the data are no file. */
  readonly file: string | null;
  /** The line on which the row begins, from 1; in arrays and iterables the row's place, from 0. */
  readonly line: number;
  /** The column at fault, by its name or its place from 0; `null` where it is the row as a whole. */
  readonly column: string | number | null;
  /** What is wrong with it. */
  readonly reason: string;
}

/** The rows that `onBadRow: "skip"` left out. */
export interface BadRows {
  /** How many there are. */
  readonly count: number;
  /** The first of them, 100 at most. */
  readonly first: readonly BadRow[];
}

/** What becomes of bad rows. */
export type OnBadRow = "fail" | "skip";

const LISTED = 100;

/** What is wrong with a row; whoever knows the row's place makes a {@link BadRow} of it. */
export class RowProblem extends Error {
  constructor(
    readonly column: string | number | null,
    reason: string,
    options?: { cause?: unknown },
  ) {
    super(reason, options);
  }
}

function describe({ file, line, column, reason }: BadRow): string {
  const place = file === null ? `row [${String(line)}]` : `${file}:${String(line)}`;
  return `${place}${column === null ? "" : `, column ${JSON.stringify(column)}`}: ${reason}`;
}

/** Counts and lists bad rows, or throws at the first. */
export class BadRowCounter {
  readonly #onBadRow: OnBadRow;
  readonly #first: BadRow[] = [];
  #count = 0;

  constructor(onBadRow: OnBadRow) {
    this.#onBadRow = onBadRow;
  }

  /** Takes what reading a row threw; what is no {@link RowProblem} is thrown on. */
  add(error: unknown, file: string | null, line: number): void {
    if (!(error instanceof RowProblem)) throw error;
    const row: BadRow = { file, line, column: error.column, reason: error.message };
    if (this.#onBadRow === "fail") {
      throw new BertCnnError("ERR_INVALID_DATA", describe(row), { cause: error.cause });
    }
    this.#count += 1;
    if (this.#first.length < LISTED) this.#first.push(row);
  }

  get rows(): BadRows {
    return { count: this.#count, first: [...this.#first] };
  }
}
