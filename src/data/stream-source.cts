import { unexpected } from "../check.cjs";
import { BertCnnError } from "../errors.cjs";
import { BadRowCounter, type BadRows, type OnBadRow } from "./bad-rows.cjs";
import type { Example } from "./example.cjs";
import type { AnyIterable } from "./memory-source.cjs";
import { objectRow, type ExampleReader } from "./row-reader.cjs";
import { once, type StreamedSource } from "./source.cjs";

/** Whether `for await` takes it and it is no string, whose characters are never rows. */
export function isIterable(value: unknown): value is AnyIterable {
  if (typeof value !== "object" || value === null) return false;
  const { [Symbol.iterator]: sync, [Symbol.asyncIterator]: async } = value as Record<
    symbol,
    unknown
  >;
  return typeof sync === "function" || typeof async === "function";
}

/** Rows that a function gives anew for each pass. */
export class StreamSource implements StreamedSource {
  readonly access = "streamed";
  readonly labelColumns: readonly string[] | null;
  readonly #make: () => unknown;
  readonly #reader: ExampleReader;
  readonly #onBadRow: OnBadRow;
  /** Of the first pass that came to its end. */
  #whole: { readonly size: number; readonly bad: BadRows } | undefined;
  readonly #counted = once(async () => {
    const examples = this.examples();
    while (!(await examples.next()).done);
  });

  constructor(
    make: () => unknown,
    reader: ExampleReader,
    onBadRow: OnBadRow,
    readonly shuffleBuffer: number,
  ) {
    this.labelColumns = reader.numberColumns;
    this.#make = make;
    this.#reader = reader;
    this.#onBadRow = onBadRow;
  }

  async size(): Promise<number> {
    return (await this.#firstPass()).size;
  }

  async badRows(): Promise<BadRows> {
    return (await this.#firstPass()).bad;
  }

  async *examples(): AsyncGenerator<Example, void> {
    const rows: unknown = await this.#make();
    if (!isIterable(rows))
      throw unexpected("iterable or async iterable", "the result of source()", rows);
    const bad = new BadRowCounter(this.#onBadRow);
    let size = 0;
    let place = 0;
    for await (const row of rows) {
      let example: Example | undefined;
      try {
        example = this.#reader.read(objectRow(row));
      } catch (error) {
        bad.add(error, null, place);
      }
      place += 1;
      if (example === undefined) continue;
      size += 1;
      yield example;
    }
    this.#end(size, bad.rows);
  }

  async #firstPass(): Promise<{ size: number; bad: BadRows }> {
    if (!this.#whole) await this.#counted();
    // A pass that did not fail has noted it.
    return this.#whole as unknown as { size: number; bad: BadRows };
  }

  #end(size: number, bad: BadRows): void {
    this.#whole ??= { size, bad };
    if (this.#whole.size === size) return;
    throw new BertCnnError(
      "ERR_INVALID_DATA",
      `Expected ${String(this.#whole.size)} rows from source(), as in an earlier pass, but received ` +
        `${String(size)}; it must return a new iterable of the same rows each time`,
    );
  }
}
