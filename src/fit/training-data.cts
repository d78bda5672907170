import type { BertCnn } from "../bert-cnn.cjs";
import { throwIfAborted } from "../calls.cjs";
import type { BatchOptions } from "../data/batches.cjs";
import type { Dataset } from "../data/dataset.cjs";
import { BertCnnError } from "../errors.cjs";
import type { FitSettings } from "./options.cjs";
import { toTargets } from "./targets.cjs";

/** What of the training data is known before the first step. */
export interface TrainingData {
  /** Rows of an epoch. */
  readonly rows: number;
  /** Optimizer steps of the whole run; those of the epochs, or `maxSteps` where these are fewer. */
  readonly totalSteps: number;
  /** Single label: rows of each class, in the order of the labels. */
  readonly classCounts: readonly number[];
}

/** The batches of an epoch, but for the first `skip`. */
export function batchOptions(
  settings: FitSettings,
  model: BertCnn,
  epoch: number,
  skip = 0,
): BatchOptions {
  const { batchSize, maxTokens, tokenizer, shuffle, seed } = settings;
  const order = { shuffle, seed, epoch, skip };
  if (maxTokens === undefined || tokenizer === undefined) return { ...order, batchSize };
  const whole = model.config.bert_cnn.long_text === "window";
  const limit = whole ? {} : { maxLength: model.maxLength };
  const countTokens = async (texts: readonly string[]) =>
    (await tokenizer.encodeBatch(texts, { ...limit, returnOffsets: false })).map(
      ({ ids }) => ids.length,
    );
  return { ...order, maxTokens, countTokens };
}

/** Looks at every row's label, so that a wrong one is told of before hours of training and not after. */
async function readRows(
  data: Dataset,
  purpose: string,
  model: BertCnn,
  signal: AbortSignal | undefined,
) {
  const counts = new Array<number>(model.labels.length).fill(0);
  let rows = 0;
  for await (const batch of data.batches({ batchSize: 1024 })) {
    throwIfAborted(signal);
    const targets = toTargets(batch.labels, batch.rows, model);
    rows += batch.rows.length;
    if (!(targets instanceof Int32Array)) continue;
    for (const target of targets) counts[target] = (counts[target] ?? 0) + 1;
  }
  if (rows === 0) {
    throw new BertCnnError(
      "ERR_INVALID_INPUT",
      `Expected at least one row to ${purpose} but the data has none`,
    );
  }
  return { rows, counts };
}

async function countBatches(data: Dataset, settings: FitSettings, model: BertCnn, rows: number) {
  if (settings.maxTokens === undefined) {
    return settings.epochs * Math.ceil(rows / settings.batchSize);
  }
  let batches = 0;
  // Each epoch's order makes batches of its own.
  for (let epoch = 0; epoch < settings.epochs; epoch++) {
    for await (const batch of data.batches(batchOptions(settings, model, epoch))) {
      batches += Math.sign(batch.rows.length);
    }
  }
  return batches;
}

/**
 * Reads all rows once. Throws ERR_INVALID_LABELS, ERR_INVALID_INPUT where there are none or too few for a step, and
 * what reading the data throws.
 */
export async function examine(
  data: Dataset,
  settings: FitSettings,
  model: BertCnn,
): Promise<TrainingData> {
  const { maxSteps = Infinity, epochs, training, evalDataset, signal } = settings;
  const { rows, counts } = await readRows(data, "train on", model, signal);
  if (evalDataset !== undefined) await readRows(evalDataset, "evaluate", model, signal);
  const accumulation = training.gradientAccumulationSteps ?? 1;
  const batches = epochs === Infinity ? Infinity : await countBatches(data, settings, model, rows);
  const totalSteps = Math.min(maxSteps, Math.floor(batches / accumulation));
  if (totalSteps === 0) {
    throw new BertCnnError(
      "ERR_INVALID_INPUT",
      `Expected at least options.gradientAccumulationSteps, ${String(accumulation)}, batches to train on ` +
        `but the data makes ${String(batches)}`,
    );
  }
  return { rows, totalSteps, classCounts: counts };
}
