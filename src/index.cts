/**
 * BERT + TextCNN text classification and regression inside a Node.js process, on libtorch.
 *
 * @packageDocumentation
 */
export {
  BertCnn,
  type LoadReport,
  type ParameterGroup,
  type Prediction,
  type StepResult,
  type TrainingPosition,
} from "./bert-cnn.cjs";
export type { BadRow, BadRows, OnBadRow } from "./data/bad-rows.cjs";
export type { BatchOptions, CountTokens, ExampleBatch } from "./data/batches.cjs";
export type { ColumnOptions, DatasetOptions, FileDatasetOptions } from "./data/dataset-options.cjs";
export { Dataset, type DataRows, type DataSource, type DatasetSplit } from "./data/dataset.cjs";
export type { Example, Label } from "./data/example.cjs";
export type { Column, LabelNames } from "./data/row-reader.cjs";
export type { SplitOptions } from "./data/split.cjs";
export { BertCnnError, type BertCnnErrorCode } from "./errors.cjs";
export type { TokenBatch } from "./input.cjs";
export type { ByLabel } from "./label-weights.cjs";
export type { ProblemType, TrainingLabels } from "./labels.cjs";
export type { BertCnnConfig, BertCnnSection } from "./model-config.cjs";
export type {
  BertCnnOptions,
  ClassifyOptions,
  Device,
  DownloadProgress,
  Dtype,
  Freeze,
  HubOptions,
  LoadStateDictOptions,
  Padding,
  PredictOptions,
  StepOptions,
  Variant,
} from "./options.cjs";
export type { Classification, ScoreFunction } from "./scores.cjs";
export { Tensor, type TensorData, type TensorLike, type TensorType } from "./tensor.cjs";
export type { EngineStats, StatsOptions } from "./stats.cjs";
export type { Threads, WorkerThreads } from "./threads.cjs";
export {
  Tokenizer,
  type DecodeOptions,
  type EncodeBatchOptions,
  type EncodeOptions,
  type Encoding,
  type EncodingOptions,
} from "./tokenizer.cjs";
export type { TrainBatch } from "./train-batch.cjs";
export type { Optimizer, Schedule, TrainingOptions } from "./training-options.cjs";
