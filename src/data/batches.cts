import {
  boolean,
  naturalNumber,
  positiveInteger,
  shaped,
  unexpected,
  type Check,
} from "../check.cjs";
import { BertCnnError } from "../errors.cjs";
import { elementAt } from "./element.cjs";
import type { Label } from "./example.cjs";
import { WINDOW, inOrder, type Item, type Order, type View } from "./order.cjs";
import type { Source } from "./source.cjs";

/** Rows that are trained or evaluated together. */
export interface ExampleBatch {
  /** The rows' texts. */
  readonly texts: string[];
  /** Their labels, one for each text. */
  readonly labels: Label[];
  /** The rows' places in the data set that made the batch, from 0. */
  readonly rows: number[];
}

/** The number of tokens of each text. */
export type CountTokens = (
  texts: readonly string[],
) => ArrayLike<number> | Promise<ArrayLike<number>>;

/** Options of {@link Dataset.batches}. */
export interface BatchOptions {
  /** Rows of a batch; the last one may have fewer. Default 32. */
  batchSize?: number | undefined;
  /** In place of `batchSize`: the tokens of a batch at most. A longer text is a batch of its own. */
  maxTokens?: number | undefined;
  /** Needed with `maxTokens`. */
  countTokens?: CountTokens | undefined;
  /** Whether rows come in an order drawn from `seed` and `epoch`. Default false. */
  shuffle?: boolean | undefined;
  /** Default 0. */
  seed?: number | undefined;
  /** Each epoch has an order of its own. Default 0. */
  epoch?: number | undefined;
  /** Batches left out at the beginning, to go on where a run ended. Default 0. */
  skip?: number | undefined;
  /** With `batchSize`: whether a last batch with fewer rows is left out. Default false. */
  dropLast?: boolean | undefined;
}

const countTokensCheck: Check<CountTokens> = (value, name) => {
  if (typeof value === "function") return value as CountTokens;
  throw unexpected("function", name, value);
};

const batchShape = {
  batchSize: positiveInteger,
  maxTokens: positiveInteger,
  countTokens: countTokensCheck,
  shuffle: boolean,
  seed: naturalNumber,
  epoch: naturalNumber,
  skip: naturalNumber,
  dropLast: boolean,
};

function refuse(message: string): never {
  throw new BertCnnError("ERR_INVALID_ARGUMENT", message);
}

/** Reads the options at once; the batches come as they are asked for. */
export function makeBatches(
  source: Source,
  view: View,
  options: unknown,
): AsyncGenerator<ExampleBatch, void> {
  const given = shaped(options, "options", batchShape);
  const { batchSize, maxTokens, countTokens, dropLast = false, skip = 0 } = given;
  const { shuffle = false, seed = 0, epoch = 0 } = given;
  const order: Order = { shuffle, seed, epoch, skip: 0 };
  if (maxTokens === undefined) {
    return byRows(source, view, order, batchSize ?? 32, skip, dropLast);
  }
  if (batchSize !== undefined) {
    refuse("Expected either options.batchSize or options.maxTokens but received both");
  }
  if (dropLast) refuse("Expected no options.dropLast: it is for options.batchSize");
  if (countTokens === undefined) {
    return refuse("Expected options.countTokens with options.maxTokens but received none");
  }
  return without(skip, byTokens(source, view, order, maxTokens, countTokens));
}

function batchOf(items: readonly Item[]): ExampleBatch {
  return {
    texts: items.map(({ example }) => example.text),
    labels: items.map(({ example }) => example.label),
    rows: items.map(({ row }) => row),
  };
}

async function* byRows(
  source: Source,
  view: View,
  order: Order,
  batchSize: number,
  skip: number,
  dropLast: boolean,
): AsyncGenerator<ExampleBatch, void> {
  // Whole batches in each window, so that none has to wait for the next window.
  const window = Math.max(1, Math.floor(WINDOW / batchSize)) * batchSize;
  for await (const items of inOrder(source, view, { ...order, skip: skip * batchSize }, window)) {
    for (let begin = 0; begin < items.length; begin += batchSize) {
      const batch = items.slice(begin, begin + batchSize);
      if (batch.length === batchSize || !dropLast) yield batchOf(batch);
    }
  }
}

async function tokenCounts(
  items: readonly Item[],
  countTokens: CountTokens,
): Promise<ArrayLike<number>> {
  const counts = await countTokens(items.map(({ example }) => example.text));
  const right = counts.length === items.length && Array.from(counts).every((n) => n >= 0);
  if (right) return counts;
  throw unexpected(
    `${String(items.length)} numbers of tokens`,
    "the result of countTokens()",
    counts,
  );
}

async function* byTokens(
  source: Source,
  view: View,
  order: Order,
  maxTokens: number,
  countTokens: CountTokens,
): AsyncGenerator<ExampleBatch, void> {
  let batch: Item[] = [];
  let tokens = 0;
  for await (const items of inOrder(source, view, order, WINDOW)) {
    const counts = await tokenCounts(items, countTokens);
    for (const [i, item] of items.entries()) {
      const count = elementAt(counts, i);
      if (batch.length > 0 && tokens + count > maxTokens) {
        yield batchOf(batch);
        batch = [];
        tokens = 0;
      }
      batch.push(item);
      tokens += count;
    }
  }
  if (batch.length > 0) yield batchOf(batch);
}

/** Where batches end depends on the texts before them: these have to be read and counted. */
async function* without(
  skip: number,
  batches: AsyncIterable<ExampleBatch>,
): AsyncGenerator<ExampleBatch, void> {
  let place = 0;
  for await (const batch of batches) if (place++ >= skip) yield batch;
}
