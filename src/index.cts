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
export { readMetricsLog, type LoggedRecords } from "./report/metrics-log.cjs";
export { writeReport } from "./report/report.cjs";
export type {
  BestRecord,
  EvaluationRecord,
  RunEvaluation,
  RunRecord,
  StepRecord,
} from "./report/run-record.cjs";
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
