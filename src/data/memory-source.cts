import { BadRowCounter, type BadRows, type OnBadRow } from "./bad-rows.cjs";
import { elementAt } from "./element.cjs";
import type { Example } from "./example.cjs";
import { objectRow, type ExampleReader } from "./row-reader.cjs";
import { once, type RandomReader, type RandomSource } from "./source.cjs";

/** Anything that `for await` takes. */
export type AnyIterable = Iterable<unknown> | AsyncIterable<unknown>;

/** Rows held in memory: those of an array or of an iterable, collected when they are first needed. */
export class MemorySource implements RandomSource {
  readonly access = "random";
  readonly labelColumns: readonly string[] | null;
  readonly #bad: BadRowCounter;
  readonly #collected: () => Promise<readonly Example[]>;

  constructor(rows: AnyIterable, reader: ExampleReader, onBadRow: OnBadRow) {
    this.labelColumns = reader.numberColumns;
    this.#bad = new BadRowCounter(onBadRow);
    this.#collected = once(() => this.#collect(rows, reader));
  }

  async size(): Promise<number> {
    return (await this.#collected()).length;
  }

  async badRows(): Promise<BadRows> {
    await this.#collected();
    return this.#bad.rows;
  }

  async open(): Promise<RandomReader> {
    const examples = await this.#collected();
    return {
      read: (rows) => Promise.resolve(Array.from(rows, (row) => elementAt(examples, row))),
      close: () => Promise.resolve(),
    };
  }

  async #collect(rows: AnyIterable, reader: ExampleReader): Promise<readonly Example[]> {
    const examples: Example[] = [];
    let place = 0;
    for await (const row of rows) {
      try {
        examples.push(reader.read(objectRow(row)));
      } catch (error) {
        this.#bad.add(error, null, place);
      }
      place += 1;
    }
    return examples;
  }
}
