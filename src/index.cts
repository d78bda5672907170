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
export type { EvaluateOptions, Evaluation } from "./fit/evaluate.cjs";
export type { FitResult } from "./fit/fit.cjs";
export type { EarlyStopping, FitCallbacks, FitOptions, Interval } from "./fit/options.cjs";
export { BertCnnError, type BertCnnErrorCode } from "./errors.cjs";
export type { TokenBatch } from "./input.cjs";
export type { ByLabel } from "./label-weights.cjs";
export type { ProblemType, TrainingLabels } from "./labels.cjs";
export type { Calibration } from "./metrics/calibration-values.cjs";
export { fitCalibration } from "./metrics/calibration.cjs";
export type { ClassMetrics } from "./metrics/class-metrics.cjs";
export type { MetricInput } from "./metrics/input.cjs";
export {
  computeMetrics,
  computeReliability,
  flattenMetrics,
  type Metrics,
} from "./metrics/metrics.cjs";
export type { MultiLabelMetrics } from "./metrics/multi-label.cjs";
export type { LabelScores, RegressionMetrics, RegressionScores } from "./metrics/regression.cjs";
export type { Reliability, ReliabilityBin } from "./metrics/reliability.cjs";
export type { SingleLabelMetrics } from "./metrics/single-label.cjs";
export { fitTemperature } from "./metrics/temperature.cjs";
export { fitThresholds } from "./metrics/thresholds.cjs";
export type {
  ExplainedNgram,
  ExplainedToken,
  ExplainOptions,
  Explanation,
  FilterMaximum,
} from "./explain/explanation.cjs";
export { explanationPage } from "./explain/page.cjs";
export {
  summarizeExplanations,
  type ExplanationSummary,
  type SummarizedFilter,
  type SummarizedLabel,
  type SummarizedMaximum,
  type SummarizedNgram,
} from "./explain/summary.cjs";
export type { ReduceOnPlateau } from "./fit/plateau.cjs";
export type { MaskedLanguageEvaluation, PretrainOptions, PretrainResult } from "./fit/pretrain.cjs";
export { formatExplanation } from "./explain/terminal.cjs";
export type { BertCnnConfig, BertCnnSection } from "./model-config.cjs";
export type {
  BertCnnOptions,
  ClassifyOptions,
  Device,
  DownloadProgress,
  Dtype,
  ConvolutionActivation,
  Freeze,
  LayerCombination,
  Pooling,
  HubOptions,
  LoadStateDictOptions,
  LongText,
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
export type { DeviceMemory, EngineStats, FeatureCacheStats, StatsOptions } from "./stats.cjs";
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
export type {
  FeatureCacheOptions,
  Objective,
  Optimizer,
  Schedule,
  TrainingOptions,
} from "./training-options.cjs";
