import { shaped, strings } from "./check.cjs";
import { BertCnnError } from "./errors.cjs";
import { readTokenBatch, rowCount, type TokenBatch } from "./input.cjs";
import { readLabels, type LabelSpace, type TrainingLabels } from "./labels.cjs";
import type { NativeInput, NativeTrainRequest } from "./native.cjs";

/** One training batch: texts or tokens, and their labels. */
export interface TrainBatch {
  /** The texts, one a row; either these or `tokens`. */
  texts?: readonly string[] | undefined;
  /** The tokens; either these or `texts`. */
  tokens?: TokenBatch | undefined;
  /**
   * The targets, one a row, in the form that the model's problem type asks for. None where masked tokens are to be
   * guessed.
   */
  labels?: TrainingLabels | undefined;
}

const trainBatchShape = {
  texts: strings,
  tokens: readTokenBatch,
  // Read later: what is right depends on the model and on the number of rows.
  labels: (value: unknown) => value,
};

function readRows(
  texts: readonly string[] | undefined,
  tokens: NativeInput | undefined,
): NativeInput {
  const input = texts ?? tokens;
  if (input === undefined || (texts !== undefined && tokens !== undefined)) {
    const found = input === undefined ? "neither" : "both";
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected either texts or tokens in batch but it holds ${found}`,
    );
  }
  if (rowCount(input) === 0) {
    throw new BertCnnError(
      "ERR_INVALID_INPUT",
      "Expected at least one row in batch but it is empty",
    );
  }
  return input;
}

/** Reads a {@link TrainBatch} for the model that `space` is of. */
export function readTrainBatch(value: unknown, space: LabelSpace): NativeTrainRequest {
  // An absent batch must not pass as an absent options object does.
  const { texts, tokens, labels } = shaped(value ?? null, "batch", trainBatchShape);
  const input = readRows(texts, tokens);
  // Whether there must be some, what the steps are for decides when it is the batch's turn.
  if (labels === undefined) return { input };
  return { input, labels: readLabels(labels, rowCount(input), space, "batch.labels") };
}
