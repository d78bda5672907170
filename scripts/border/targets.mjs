/** What of the public interface is called, and with what. */
import fc from "fast-check";

import { anything, nearly, text } from "./values.mjs";

const ids = (type, size) => {
  if (type === "int64") return BigInt64Array.from({ length: size }, (_, i) => BigInt(i % 9));
  return Int32Array.from({ length: size }, (_, i) => i % 9);
};

const tensor = fc
  .record({
    type: fc.constantFrom("int32", "int64"),
    rows: fc.integer({ min: 0, max: 3 }),
    length: fc.integer({ min: 0, max: 50 }),
  })
  .chain(({ type, rows, length }) =>
    nearly({
      type: fc.constant(type),
      dims: fc.constant([rows, length]),
      data: fc.constant(null).map(() => ids(type, rows * length)),
      location: fc.constantFrom("cpu", "gpu-buffer"),
    }),
  );

const tokens = nearly({ inputIds: tensor, attentionMask: tensor, tokenTypeIds: tensor });
const signal = fc.constant(AbortSignal.abort(new Error("aborted")));
const input = fc.oneof(text, fc.array(text, { maxLength: 4 }), tokens, anything);
const labels = fc.oneof(
  fc.array(fc.constantFrom("bad", "good", 0, 1, 2), { maxLength: 4 }),
  fc.constant(null).map(() => Int32Array.of(0, 1)),
  anything,
);
const limits = { signal, timeout: fc.integer({ min: 1, max: 99 }), priority: fc.integer() };
const option = (arbitrary) => fc.oneof(fc.constant(undefined), arbitrary, anything);

const training = nearly({
  learningRate: fc.double({ min: 0, max: 1e-3, noNaN: true }),
  headLearningRate: fc.double({ min: 0, max: 1e-3, noNaN: true }),
  layerDecay: fc.double({ min: 0, max: 1, noNaN: true }),
  optimizer: fc.constantFrom("adamw", "sgd", "adafactor"),
  momentum: fc.double({ min: 0, max: 1, noNaN: true }),
  schedule: fc.constantFrom("constant", "linear", "cosine", "polynomial", "inverse_sqrt"),
  totalSteps: fc.integer({ min: 1, max: 99 }),
  warmupSteps: fc.integer({ min: 0, max: 9 }),
  classWeights: fc.oneof(fc.constant({ bad: 1, good: 2 }), fc.constant("balanced"), anything),
  labelSmoothing: fc.double({ min: 0, max: 1, noNaN: true }),
  focalGamma: fc.integer({ min: 0, max: 5 }),
  maxGradNorm: fc.double({ min: 0, max: 9, noNaN: true }),
  gradientAccumulationSteps: fc.integer({ min: 1, max: 3 }),
  featureCache: fc.boolean(),
  objective: fc.constantFrom("classification", "masked-language-model"),
  maskProbability: fc.double({ min: 0, max: 1, noNaN: true }),
});

const loading = nearly({
  variant: fc.constantFrom("frozen", "fine-tune", "max-over-time"),
  labels: fc.constant(["a", "b"]),
  numLabels: fc.integer({ min: 1, max: 5 }),
  problemType: fc.constantFrom("regression", "single_label_classification"),
  filterSizes: fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 4 }),
  numFilters: fc.integer({ min: 1, max: 9 }),
  dropout: fc.double({ min: 0, max: 1 }),
  activation: fc.constantFrom("relu", "gelu", "tanh", "glu"),
  pooling: fc.constantFrom("max", "mean", "k-max", "attention"),
  hiddenLayers: fc.integer({ min: 1, max: 3 }),
  padding: fc.constantFrom("ignore", "include"),
  longText: fc.constantFrom("truncate", "window"),
  windowOverlap: fc.integer({ min: 0, max: 40 }),
  freeze: fc.oneof(fc.constantFrom("encoder", "none", 1, 7), fc.array(text, { maxLength: 2 })),
  maxLength: fc.integer({ min: 1, max: 50 }),
  dtype: fc.constantFrom("float32", "int8", "auto"),
  seed: fc.nat(),
  threads: fc.constantFrom(1, { workers: 1 }, "auto"),
  maxBatchTokens: fc.integer({ min: 1, max: 99 }),
  signal,
});

/**
 * Each gives arguments, and calls with them. `tolerates`: errors of other kinds that may come through.
 *
 * @param {typeof import("../../dist/index.js")} library
 * @param {{ model: any, tokenizer: any, directory: string }} there
 */
export function targets(library, there) {
  const { tokenizer, directory } = there;
  const { BertCnn, Dataset, Tensor, Tokenizer } = library;
  return {
    "new Tensor": {
      weight: 6,
      values: [fc.oneof(fc.constantFrom("float32", "int32"), anything), anything, option(anything)],
      call: (type, data, dims) => new Tensor(type, data, dims),
    },
    predict: {
      weight: 12,
      values: [input, option(nearly(limits))],
      call: (...given) => there.model.predict(...given),
    },
    classify: {
      weight: 8,
      values: [
        input,
        option(
          nearly({
            ...limits,
            topK: fc.integer({ min: 1, max: 4 }),
            functionToApply: fc.constant("none"),
          }),
        ),
      ],
      call: (...given) => there.model.classify(...given),
    },
    explain: {
      weight: 4,
      values: [
        fc.oneof(text, fc.array(text, { maxLength: 3 }), anything),
        option(
          nearly({
            label: fc.constantFrom("bad", "good"),
            against: fc.constantFrom("bad", "x"),
            signal,
          }),
        ),
      ],
      call: (...given) => there.model.explain(...given),
    },
    configureTraining: {
      weight: 5,
      values: [option(training)],
      call: (given) => there.model.configureTraining(given),
    },
    trainStep: {
      weight: 8,
      values: [
        fc.oneof(
          nearly({ texts: fc.array(text, { maxLength: 3 }), tokens, labels }),
          nearly({ texts: fc.constant(["a", "b"]), labels: fc.constant(["bad", "good"]) }),
          anything,
        ),
        option(nearly({ signal })),
      ],
      call: (...given) => there.model.trainStep(...given),
    },
    setFreeze: {
      weight: 3,
      values: [fc.oneof(fc.constantFrom("encoder", "none", "embeddings", 1), anything)],
      call: (given) => there.model.setFreeze(given),
    },
    setCalibration: {
      weight: 3,
      values: [
        fc.oneof(
          nearly({ temperature: fc.double(), thresholds: fc.constant([0.1, 0.2]) }),
          anything,
        ),
      ],
      call: (given) => there.model.setCalibration(given),
    },
    setLearningRateScale: {
      weight: 2,
      values: [anything],
      call: (given) => there.model.setLearningRateScale(given),
    },
    stats: { weight: 1, values: [], call: () => there.model.stats() },
    "files that are none": {
      weight: 3,
      values: [
        fc.constantFrom("loadStateDict", "saveStateDict", "loadTrainingState", "saveTrainingState"),
        anything.filter(
          (value) => typeof value !== "string" || !/\.(safetensors|pt|pth|bin)$/.test(value),
        ),
      ],
      call: (name, given) => there.model[name](given),
    },
    encode: {
      weight: 8,
      values: [
        fc.oneof(text, anything),
        option(
          nearly({ maxLength: fc.nat(40), textPair: text, truncation: fc.constant("only_first") }),
        ),
      ],
      call: (...given) => tokenizer.encode(...given),
    },
    encodeBatch: {
      weight: 5,
      values: [
        fc.oneof(fc.array(text, { maxLength: 5 }), anything),
        option(
          nearly({
            maxLength: fc.integer({ min: 1, max: 40 }),
            padding: fc.constantFrom(true, "longest", "max_length"),
            textPairs: fc.array(text, { maxLength: 5 }),
          }),
        ),
      ],
      call: (...given) => tokenizer.encodeBatch(...given),
    },
    decode: {
      weight: 5,
      values: [
        fc.oneof(fc.array(fc.integer(), { maxLength: 9 }), anything),
        option(nearly({ skipSpecialTokens: fc.boolean() })),
      ],
      call: (...given) => tokenizer.decode(...given),
    },
    "tokens and ids": {
      weight: 4,
      values: [fc.constantFrom("tokens", "tokenToId", "idToToken"), anything],
      call: (name, given) => tokenizer[name](given),
    },
    fromPretrained: {
      weight: 2,
      values: [
        fc.oneof(
          { weight: 9, arbitrary: fc.constant(directory) },
          anything.filter((value) => typeof value !== "string"),
        ),
        option(loading),
      ],
      call: async (source, given) => {
        const loaded = await BertCnn.fromPretrained(source, given);
        await loaded.dispose();
      },
    },
    "Tokenizer.fromPretrained": {
      weight: 1,
      values: [anything.filter((value) => typeof value !== "string"), option(anything)],
      call: (...given) => Tokenizer.fromPretrained(...given),
    },
    fromShared: {
      weight: 1,
      values: [anything, option(anything)],
      call: async (...given) => {
        const handle = BertCnn.fromShared(...given);
        await handle.dispose();
      },
    },
    Dataset: {
      weight: 4,
      tolerates: /detached ArrayBuffer$/, // of the caller's own iterator
      values: [
        fc.oneof(
          fc.array(nearly({ text, label: fc.constantFrom("a", 1) }), { maxLength: 4 }),
          anything,
        ),
        option(
          nearly({
            textColumn: fc.constant("text"),
            labelColumn: fc.constantFrom("label", null),
            onBadRow: fc.constantFrom("fail", "skip"),
            labelNames: anything,
          }),
        ),
      ],
      call: async (...given) => {
        for await (const batch of Dataset.from(...given).batches({ batchSize: 2 })) void batch;
      },
    },
  };
}
