import { createReadStream } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

import { BertCnn } from "../bert-cnn.cjs";
import type { FileDatasetOptions } from "../data/dataset-options.cjs";
import { Dataset } from "../data/dataset.cjs";
import type { PretrainOptions } from "../fit/pretrain.cjs";
import type { BertCnnOptions } from "../options.cjs";
import { readPath } from "../paths.cjs";

/** Options of `bertcnn pretrain`. */
export interface PretrainCommand {
  readonly model: string;
  readonly out: string;
  readonly load: BertCnnOptions;
  readonly data: FileDatasetOptions;
  readonly evalShare: number;
  readonly pretrain: PretrainOptions;
}

/** A text a line; empty lines are none. */
async function* linesOf(file: string) {
  for await (const text of createInterface({ input: createReadStream(file, "utf8") })) {
    if (text.trim() !== "") yield { text };
  }
}

function readTexts(given: string, options: FileDatasetOptions): Dataset {
  const file = readPath(given, "data");
  if (path.extname(file).toLowerCase() !== ".txt") {
    return Dataset.fromFile(file, { ...options, labelColumn: null });
  }
  return Dataset.from(linesOf(file), { labelColumn: null });
}

/** Goes on with BERT's pre-training on a file's texts, and writes the encoder. */
export async function pretrain(file: string, command: PretrainCommand) {
  const { evalShare: testSize, pretrain: options, out } = command;
  const target = readPath(out, "out");
  const all = readTexts(file, command.data);
  const { train, test } =
    testSize === 0
      ? { train: all, test: undefined }
      : await all.split({ testSize, seed: options.seed });
  const { signal } = options;
  const model = await BertCnn.fromPretrained(command.model, { ...command.load, signal });
  try {
    const result = await model.pretrain(train, { ...options, ...(test && { evalDataset: test }) });
    await model.saveEncoder(target);
    const rows = { trained: await train.size(), evaluated: (await test?.size()) ?? 0 };
    return { ...result, rows };
  } finally {
    await model.dispose();
  }
}
