import type { BadRows } from "./bad-rows.cjs";
import type { Example } from "./example.cjs";

/** Reads rows by their places, in any order. To be closed. */
export interface RandomReader {
  read(rows: ArrayLike<number>): Promise<Example[]>;
  close(): Promise<void>;
}

/** Where examples come from. Bad rows are not counted among the places and sizes. */
interface AnySource {
  /** Names of the columns that a label's numbers are from; `null` where labels are no such arrays. */
  readonly labelColumns: readonly string[] | null;
  size(): Promise<number>;
  badRows(): Promise<BadRows>;
}

/** Rows that can be read in any order: in memory or in a file. */
export interface RandomSource extends AnySource {
  readonly access: "random";
  open(): Promise<RandomReader>;
}

/** Rows that come in their order only, again for each pass. */
export interface StreamedSource extends AnySource {
  readonly access: "streamed";
  /** How many rows are held to shuffle them. */
  readonly shuffleBuffer: number;
  examples(): AsyncGenerator<Example, void>;
}

export type Source = RandomSource | StreamedSource;

/** A function whose first call decides for all later ones. */
export function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}
