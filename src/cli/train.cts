import { readFile } from "node:fs/promises";
import path from "node:path";

import { BertCnn } from "../bert-cnn.cjs";
import { Dataset } from "../data/dataset.cjs";
import type { FileDatasetOptions } from "../data/dataset-options.cjs";
import type { FitOptions } from "../fit/options.cjs";
import { readSource } from "../hub.cjs";
import type { ProblemType } from "../labels.cjs";
import type { BertCnnOptions } from "../options.cjs";

/** Options of `bertcnn train`. */
export interface TrainCommand {
  readonly model: string;
  readonly load: BertCnnOptions;
  readonly data: FileDatasetOptions;
  readonly evalFile: string | undefined;
  readonly evalShare: number;
  readonly stratify: boolean;
  readonly fit: FitOptions;
}

/** Whether a directory holds a model with a head of its own, whose labels are known. */
async function hasHead(directory: string): Promise<boolean> {
  const text = await readFile(path.join(directory, "config.json"), "utf8").catch(() => "{}");
  try {
    return (JSON.parse(text) as Record<string, unknown>)["bert_cnn"] !== undefined;
  } catch {
    return false; // fromPretrained tells of it
  }
}

/**
 * What the labels of data are: numbers of which one is no integer are scores, several labels of a row are several, and
 * all else are classes.
 */
export async function problemTypeOf(data: Dataset): Promise<ProblemType> {
  let numbers = true;
  let integers = true;
  for await (const { label } of data) {
    if (typeof label === "object") {
      if (label.some((value) => value !== 0 && value !== 1 && typeof value === "number")) {
        return "regression";
      }
      return "multi_label_classification";
    }
    const value = label === "" ? NaN : Number(label);
    numbers &&= !Number.isNaN(value);
    integers &&= Number.isInteger(value);
    if (!numbers) break;
  }
  return numbers && !integers ? "regression" : "single_label_classification";
}

/** The labels of a new head. */
async function labelsOf(
  data: Dataset,
  given: BertCnnOptions,
): Promise<Pick<BertCnnOptions, "labels" | "problemType">> {
  const problemType = given.problemType ?? (await problemTypeOf(data));
  if (given.labels !== undefined) return { problemType, labels: given.labels };
  if (problemType === "regression") {
    for await (const { label } of data) {
      const several = typeof label === "object" ? await data.labelNames() : ["score"];
      return { problemType, labels: several };
    }
  }
  return { problemType, labels: await data.labelNames() };
}

/** Data to train on, and to evaluate with. */
async function readData(file: string, command: TrainCommand) {
  const all = Dataset.fromFile(file, command.data);
  if (command.evalFile !== undefined) {
    return { train: all, test: Dataset.fromFile(command.evalFile, command.data), all };
  }
  if (command.evalShare === 0) return { train: all, test: undefined, all };
  const { evalShare: testSize, stratify, fit } = command;
  const { train, test } = await all.split({ testSize, seed: fit.seed, stratify });
  return { train, test, all };
}

/** Trains on a file. The model that comes out is in `fit.outputDir`. */
export async function train(file: string, command: TrainCommand) {
  const { signal } = command.fit;
  const { train, test, all } = await readData(file, command);
  const directory = await readSource(command.model, "model", { signal });
  const head = (await hasHead(directory)) ? {} : await labelsOf(all, command.load);
  const model = await BertCnn.fromPretrained(directory, { ...command.load, ...head, signal });
  try {
    const result = await model.fit(train, { ...command.fit, ...(test && { evalDataset: test }) });
    const { evaluation, ...rest } = result;
    return {
      ...rest,
      problemType: model.problemType,
      labels: model.labels,
      rows: { trained: await train.size(), evaluated: (await test?.size()) ?? 0 },
      metrics: evaluation?.metrics ?? null,
    };
  } finally {
    await model.dispose();
  }
}
