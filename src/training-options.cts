import {
  boolean,
  fraction,
  naturalNumber,
  nonEmptyString,
  nonNegativeNumber,
  numberUpTo,
  oneOf,
  positiveInteger,
  positiveNumberUpTo,
  shaped,
  unexpected,
  type Check,
  type Shaped,
} from "./check.cjs";
import { BertCnnError } from "./errors.cjs";
import { readByLabel, type ByLabel } from "./label-weights.cjs";
import type { LabelSpace, ProblemType } from "./labels.cjs";
import type { NativeFeatureCacheOptions, NativeTrainingOptions } from "./native.cjs";
import type { Padding } from "./options.cjs";

/** `"adamw"` is torch.optim.AdamW, `"sgd"` torch.optim.SGD, `"adafactor"` torch.optim.Adafactor. */
export type Optimizer = "adamw" | "sgd" | "adafactor";

/** How the learning rates change from step to step, as `transformers.get_scheduler` has them. */
export type Schedule = "constant" | "linear" | "cosine" | "polynomial" | "inverse_sqrt";

/** Options of {@link TrainingOptions.featureCache}. */
export interface FeatureCacheOptions {
  /** Bytes that the cache may take in memory; what goes beyond is in a file. Default 2^30. */
  memory?: number | undefined;
  /** What hidden states are kept in. `"bfloat16"` takes half of it all, and rounds them. Default `"float32"`. */
  dtype?: "float32" | "bfloat16" | undefined;
  /** Where the file is made. It has no name, and is gone with the process. Default `os.tmpdir()`. */
  directory?: string | undefined;
}

/**
 * What a step minimizes. `"classification"`: the loss of the model's problem type, a regression's too.
 * `"masked-language-model"`: that of guessing masked tokens, on texts without labels (Devlin et al., 2019); it trains
 * what of the encoder is not frozen, and BERT's head for it, which comes from the checkpoint or is drawn anew.
 */
export type Objective = "classification" | "masked-language-model";

/** Options of {@link BertCnn.configureTraining}; `docs/training.md` explains them. */
export interface TrainingOptions {
  /** Default `"classification"`. */
  objective?: Objective | undefined;
  /** Masked language model: the share of tokens that are to be guessed, above 0 and up to 1. Default 0.15. */
  maskProbability?: number | undefined;
  /** Of the encoder. Default 5e-5. */
  learningRate?: number | undefined;
  /** Of the convolutions and the classifier. Default 1e-3. */
  headLearningRate?: number | undefined;
  /**
   * The learning rate of an encoder layer as a share of that of the layer above it, from 0 to 1: the top layer has
   * `learningRate`, and the embeddings below n layers have `learningRate * layerDecay ** n`. Default 1.
   */
  layerDecay?: number | undefined;
  /** Not applied to biases and layer norms. Default 0.01. */
  weightDecay?: number | undefined;
  /** Default `"adamw"`. */
  optimizer?: Optimizer | undefined;
  /** AdamW: decay of the mean of gradients. Default 0.9. */
  beta1?: number | undefined;
  /** AdamW: decay of the mean of squared gradients. Default 0.999. */
  beta2?: number | undefined;
  /** AdamW: added to the denominator. Default 1e-8. */
  epsilon?: number | undefined;
  /** SGD: share of the last step's direction that is kept. Default 0. */
  momentum?: number | undefined;
  /** SGD: Nesterov's momentum. Default false. */
  nesterov?: boolean | undefined;
  /** Default `"constant"`. */
  schedule?: Schedule | undefined;
  /** Optimizer steps of the whole training. `"linear"`, `"cosine"`, `"polynomial"` and `warmupRatio` need them. */
  totalSteps?: number | undefined;
  /** Steps in which the learning rates rise from 0. Default 0. */
  warmupSteps?: number | undefined;
  /** The same as a share of `totalSteps`, rounded up; in place of `warmupSteps`. */
  warmupRatio?: number | undefined;
  /** Of the polynomial. Default 1. */
  power?: number | undefined;
  /**
   * Single label: how much a row counts, by its class. `"balanced"`: rows / (classes * rows of the class), from
   * `classCounts`. Default: all the same.
   */
  classWeights?: ByLabel | "balanced" | undefined;
  /** The number of rows of each class, for balanced `classWeights`. */
  classCounts?: ByLabel | undefined;
  /** Multi label: how much a target of 1 counts beside one of 0, by label. Default 1. */
  posWeight?: ByLabel | undefined;
  /** Single label: the share of a target that is spread over all classes, from 0 to below 1. Default 0. */
  labelSmoothing?: number | undefined;
  /**
   * Not for regression: what a target counts is multiplied by (1 - p) ** focalGamma, where p is the probability that the
   * model gives it, so that what it knows already counts little. From 0 to 100; 0: no focal loss. Default 0.
   */
  focalGamma?: number | undefined;
  /** Global norm that gradients are clipped to; 0: no clipping. Default 1. */
  maxGradNorm?: number | undefined;
  /** Batches whose mean gradient makes one optimizer step: every n-th {@link BertCnn.trainStep} updates. Default 1. */
  gradientAccumulationSteps?: number | undefined;
  /**
   * The precision of the matrix products; weights, gradients and the optimizer stay float32. `"bfloat16"` wants a
   * processor that multiplies it. Default that of the model.
   */
  dtype?: "float32" | "bfloat16" | undefined;
  /** Whether layers are computed anew in the backward pass, which takes time and saves memory. Default false. */
  gradientCheckpointing?: boolean | undefined;
  /**
   * Whether the encoder's hidden states are computed once for each text and kept, for steps while the whole encoder is
   * frozen; during others the cache is empty. Not with `padding: "include"`. Default false.
   */
  featureCache?: boolean | FeatureCacheOptions | undefined;
}

/** Options that mean nothing where masked tokens are guessed, beside `classCounts`. */
export const OF_CLASSIFIER = [
  ...(["headLearningRate", "classWeights", "posWeight"] as const),
  ...(["labelSmoothing", "focalGamma", "featureCache"] as const),
] as const;

/** Checks a share of tokens to mask. */
export const maskProbability = positiveNumberUpTo(1);

/** Read later: what is right depends on the model's labels. */
const later = (value: unknown) => value;

const featureCacheShape = {
  memory: naturalNumber,
  dtype: oneOf("float32", "bfloat16"),
  directory: nonEmptyString,
};

const featureCache: Check<NativeFeatureCacheOptions | undefined> = (value, name) => {
  if (typeof value === "boolean") return value ? {} : undefined;
  if (typeof value !== "object") throw unexpected("boolean or object", name, value);
  return shaped(value, name, featureCacheShape);
};

/** For {@link shaped}: the names and checks of those {@link TrainingOptions} that do not follow from the data. */
export const trainingShapeWithoutData = {
  learningRate: numberUpTo(1e6),
  headLearningRate: numberUpTo(1e6),
  layerDecay: numberUpTo(1),
  weightDecay: numberUpTo(1e6),
  optimizer: oneOf("adamw", "sgd", "adafactor"),
  beta1: fraction,
  beta2: fraction,
  epsilon: positiveNumberUpTo(1e6),
  momentum: fraction,
  nesterov: boolean,
  schedule: oneOf("constant", "linear", "cosine", "polynomial", "inverse_sqrt"),
  warmupSteps: naturalNumber,
  warmupRatio: numberUpTo(1),
  power: numberUpTo(1e6),
  classWeights: later,
  posWeight: later,
  labelSmoothing: fraction,
  focalGamma: numberUpTo(100),
  maxGradNorm: nonNegativeNumber,
  gradientAccumulationSteps: positiveInteger,
  dtype: oneOf("float32", "bfloat16"),
  gradientCheckpointing: boolean,
  featureCache,
};

const trainingShape = {
  ...trainingShapeWithoutData,
  objective: oneOf("classification", "masked-language-model"),
  maskProbability,
  totalSteps: positiveInteger,
  classCounts: later,
};

type Given = Shaped<typeof trainingShape>;

function refuse(message: string): never {
  throw new BertCnnError("ERR_INVALID_ARGUMENT", message);
}

/** Options without effect are refused, as misspelt ones are. */
function checkNames(given: Given, names: readonly (keyof Given)[], only: string): void {
  const name = names.find((candidate) => given[candidate] !== undefined);
  if (name !== undefined) refuse(`Expected no options.${name}: it is for ${only}`);
}

function checkObjective(given: Given): void {
  if (given.objective !== "masked-language-model") {
    checkNames(given, ["maskProbability"], 'options.objective "masked-language-model"');
    return;
  }
  checkNames(given, [...OF_CLASSIFIER, "classCounts"], 'options.objective "classification"');
}

function checkOptimizer(given: Given): void {
  if (given.optimizer !== "sgd") {
    checkNames(given, ["momentum", "nesterov"], 'options.optimizer "sgd"');
  }
  if (given.optimizer === "sgd" || given.optimizer === "adafactor") {
    checkNames(given, ["beta1", "beta2", "epsilon"], 'options.optimizer "adamw"');
  }
  if (given.nesterov && !given.momentum) {
    refuse("Expected options.momentum above 0 with options.nesterov but received none");
  }
}

function checkSchedule(given: Given): void {
  const { schedule = "constant", totalSteps, warmupSteps, warmupRatio, learningRate } = given;
  if (schedule !== "polynomial") checkNames(given, ["power"], 'options.schedule "polynomial"');
  if (warmupSteps !== undefined && warmupRatio !== undefined) {
    refuse("Expected either options.warmupSteps or options.warmupRatio but received both");
  }
  const asking =
    schedule === "linear" || schedule === "cosine" || schedule === "polynomial"
      ? `options.schedule "${schedule}"`
      : warmupRatio !== undefined && "options.warmupRatio";
  if (asking && totalSteps === undefined) {
    refuse(
      `Expected options.totalSteps, the optimizer steps of the training, with ${asking} but received none`,
    );
  }
  if (warmupSteps !== undefined && totalSteps !== undefined && warmupSteps > totalSteps) {
    refuse(
      `Expected from 0 to the ${String(totalSteps)} of options.totalSteps for options.warmupSteps ` +
        `but received ${String(warmupSteps)}`,
    );
  }
  if (schedule === "polynomial" && learningRate !== undefined && learningRate <= 1e-7) {
    refuse(
      "Expected more than 1e-7, where the polynomial schedule ends, for options.learningRate " +
        `but received ${String(learningRate)}`,
    );
  }
}

/** What a class or a target of 1 counts. */
const float32Weight: Check<number> = (value, name) => {
  // Rounded first: 1e39 is finite here and infinite for the model.
  if (typeof value === "number" && value >= 0 && Number.isFinite(Math.fround(value))) return value;
  throw unexpected("finite number of 0 or more", name, value);
};

/** Options of the losses that not every problem type has. */
const LOSS_OPTIONS = {
  single_label_classification: ["classWeights", "classCounts", "labelSmoothing"],
  multi_label_classification: ["posWeight"],
  regression: [],
} as const satisfies Record<ProblemType, readonly (keyof Given)[]>;

function checkProblemType(given: Given, problemType: ProblemType): void {
  for (const [type, names] of Object.entries(LOSS_OPTIONS)) {
    if (type === problemType) continue;
    checkNames(given, names, `problem type "${type}", and the model's is "${problemType}"`);
  }
  if (problemType === "regression") checkNames(given, ["focalGamma"], "classification");
  if (given.focalGamma && given.labelSmoothing) {
    refuse("Expected either options.focalGamma or options.labelSmoothing but received both");
  }
}

/** Not all 0, or no target would count. */
function readWeights(value: unknown, name: string, labels: readonly string[]): readonly number[] {
  const weights = readByLabel(value, name, labels, float32Weight);
  if (weights.every((weight) => weight === 0)) {
    refuse(`Expected a number above 0 for at least one label in ${name} but all are 0`);
  }
  return weights;
}

function readLoss(given: Given, labels: readonly string[]): NativeTrainingOptions {
  const { classWeights, classCounts, posWeight } = given;
  if (classWeights !== "balanced" && classCounts !== undefined) {
    checkNames(given, ["classCounts"], 'options.classWeights "balanced"');
  }
  if (classWeights === "balanced") {
    if (classCounts === undefined) {
      refuse('Expected options.classCounts with options.classWeights "balanced" but received none');
    }
    return {
      classCounts: readByLabel(classCounts, "options.classCounts", labels, positiveInteger),
    };
  }
  return {
    ...(classWeights !== undefined && {
      classWeights: readWeights(classWeights, "options.classWeights", labels),
    }),
    ...(posWeight !== undefined && {
      posWeight: readWeights(posWeight, "options.posWeight", labels),
    }),
  };
}

/** Reads {@link TrainingOptions} for the model that `space` and `padding` are of. */
export function readTrainingOptions(
  value: unknown,
  space: LabelSpace,
  padding: Padding = "ignore",
): NativeTrainingOptions {
  const given = shaped(value, "options", trainingShape);
  checkObjective(given);
  checkOptimizer(given);
  checkSchedule(given);
  checkProblemType(given, space.problemType);
  if (padding === "include") checkNames(given, ["featureCache"], 'padding "ignore"');
  const { classWeights, classCounts, posWeight, ...rest } = given;
  return { ...rest, ...readLoss({ classWeights, classCounts, posWeight }, space.labels) };
}
