import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import type { BertCnn } from "../bert-cnn.cjs";
import { unexpected } from "../check.cjs";
import { Dataset } from "../data/dataset.cjs";
import { BertCnnError } from "../errors.cjs";
import { metricNames } from "../metrics/metrics.cjs";
import { readPath } from "../paths.cjs";
import type { BestRecord } from "../report/run-record.cjs";
import { calibrate } from "./calibrate.cjs";
import { evaluateTexts, type EvaluatedTexts, type Evaluation } from "./evaluate.cjs";
import { readFitOptions, type FitSettings } from "./options.cjs";
import { RunFolder, STATE_FILE, TRAINING_STATE_FILE } from "./run-folder.cjs";
import { RunLogs } from "./run-logs.cjs";
import { writeRunReport } from "./run-report.cjs";
import {
  compareIdentity,
  initialState,
  readTrainerState,
  type RunIdentity,
  type TrainerState,
} from "./trainer-state.cjs";
import { examine, type TrainingData } from "./training-data.cjs";
import { TrainingRun } from "./training-run.cjs";

/** What {@link BertCnn.fit} gives. */
export interface FitResult {
  /** Optimizer steps, those of a run that it went on with among them. */
  readonly step: number;
  /** Passes over the data, with the fraction of the last one. */
  readonly epoch: number;
  /** Steps that were left out since their loss or gradients were not finite. */
  readonly skippedSteps: number;
  /** Why it ended. */
  readonly stopped: "completed" | "early stopping" | "max steps";
  /** The best evaluation; `null` without `evalDataset`. */
  readonly best: BestRecord | null;
  /** Of `evalDataset`, with the weights that the model has now; `null` without. */
  readonly evaluation: Evaluation | null;
  /** The newest checkpoint; `null` where none was written. */
  readonly checkpoint: string | null;
  /** Seconds that it took, those of a run that it went on with among them. */
  readonly seconds: number;
}

/** Options that may differ between a run and the one that goes on with it. */
const FREE = [
  "evalDataset",
  "tokenizer",
  "outputDir",
  "saveTotalLimit",
  "resumeFromCheckpoint",
  "report",
  "progress",
  "signal",
  "onStep",
  "onEvaluate",
  "onCheckpoint",
] as const satisfies readonly (keyof FitSettings)[];

/** What must not change from a run to the one that goes on with it. */
async function identify(data: Dataset, settings: FitSettings): Promise<RunIdentity> {
  const options = Object.entries(settings).filter(
    ([name]) => name !== "training" && !(FREE as readonly string[]).includes(name),
  );
  const { evalDataset, training } = settings;
  const identity = {
    options: { ...Object.fromEntries(options), ...training },
    data: {
      train: await data.fingerprint(),
      ...(evalDataset && { evalDataset: await evalDataset.fingerprint() }),
    },
  };
  // As it is read again: without what is undefined, and with null for what is infinite.
  return JSON.parse(JSON.stringify(identity)) as RunIdentity;
}

/** The step of the checkpoint to go on from, by the folder that holds it. */
async function checkpointToResume(
  folder: RunFolder,
  { resumeFromCheckpoint: resume }: FitSettings,
): Promise<number | null> {
  const steps = await folder.checkpoints();
  if (resume === false) {
    if (steps.length === 0) return null;
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected an options.outputDir without checkpoints, or options.resumeFromCheckpoint, ` +
        `but ${folder.folder} holds those of another run`,
    );
  }
  if (resume === true) return steps.at(-1) ?? null;
  const step = steps.find((candidate) => folder.checkpoint(candidate) === readPath(resume, "path"));
  if (step === undefined) {
    throw new BertCnnError(
      "ERR_FILE_NOT_FOUND",
      `Expected one of the checkpoints in options.outputDir for options.resumeFromCheckpoint but received '${resume}'`,
    );
  }
  return step;
}

function checkMetric({ problemType, labels }: BertCnn, { metricForBestModel }: FitSettings): void {
  const known = metricNames({ problemType, labels });
  if (known.includes(metricForBestModel)) return;
  throw new BertCnnError(
    "ERR_INVALID_ARGUMENT",
    `Expected one of ${known.join(", ")} for options.metricForBestModel but received '${metricForBestModel}'`,
  );
}

/** The state of the run to go on with; later checkpoints are of a run that will not have been. */
async function resume(
  model: BertCnn,
  folder: RunFolder,
  step: number,
  identity: RunIdentity,
): Promise<TrainerState> {
  const directory = folder.checkpoint(step);
  const written = await readTrainerState(path.join(directory, STATE_FILE));
  compareIdentity(written.identity, identity, directory);
  await model.loadTrainingState(path.join(directory, TRAINING_STATE_FILE));
  for (const later of await folder.checkpoints()) {
    if (later > step) await folder.removeCheckpoint(later);
  }
  return written.state;
}

/** Configures training; gives the names of all groups that are trained in some epoch. */
async function configure(
  model: BertCnn,
  settings: FitSettings,
  known: TrainingData,
): Promise<string[]> {
  const { training, freezeByEpoch } = settings;
  const { totalSteps, classCounts } = known;
  model.configureTraining({
    ...training,
    ...(Number.isFinite(totalSteps) && { totalSteps }),
    ...(training.classWeights === "balanced" && { classCounts }),
  });
  const groups: string[] = [];
  // From the last one: what is trained then usually has all groups, in their order.
  const freezes = freezeByEpoch.length > 0 ? [...freezeByEpoch].reverse() : [undefined];
  for (const freeze of freezes) {
    if (freeze !== undefined) await model.setFreeze(freeze);
    const names = (await model.parameterGroups()).map(({ name }) => name);
    groups.push(...names.filter((name) => !groups.includes(name)));
  }
  return groups;
}

/** Runs `work` with a folder for the run: `outputDir`, or one that is there meanwhile. */
async function withFolder<T>(
  outputDir: string | undefined,
  work: (folder: RunFolder) => Promise<T>,
): Promise<T> {
  if (outputDir !== undefined) return work(new RunFolder(outputDir));
  const folder = await mkdtemp(path.join(tmpdir(), "bertcnn-fit-"));
  try {
    return await work(new RunFolder(folder));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Trains, and leaves the model with its best weights; see {@link BertCnn.fit}. */
export async function fit(model: BertCnn, data: unknown, options: unknown): Promise<FitResult> {
  if (!(data instanceof Dataset)) throw unexpected("Dataset", "data", data);
  const settings = readFitOptions(options);
  checkMetric(model, settings);
  const known = await examine(data, settings, model);
  const identity = await identify(data, settings);
  return withFolder(settings.outputDir, async (folder) => {
    await folder.prepare();
    const resumed = await checkpointToResume(folder, settings);
    const groups = await configure(model, settings, known);
    const state =
      resumed === null ? initialState() : await resume(model, folder, resumed, identity);
    const { outputDir } = settings;
    const logs =
      outputDir === undefined
        ? undefined
        : await RunLogs.open(outputDir, groups, resumed, state.evaluatedStep);
    try {
      const parts = { model, data, known, settings, state, identity, folder, logs, groups };
      const run = new TrainingRun(parts);
      await run.train();
      return await finish(parts, run.checkpoint);
    } finally {
      await logs?.close();
    }
  });
}

type Parts = ConstructorParameters<typeof TrainingRun>[0];

/** Restores the best weights, calibrates, and writes the model and the report. */
async function finish(parts: Parts, checkpoint: string | null): Promise<FitResult> {
  const { model, settings, state, folder, known } = parts;
  const { evalDataset, outputDir, signal } = settings;
  if (settings.loadBestModelAtEnd && state.best !== null) {
    await model.loadStateDict(folder.best(state.best.file));
  }
  const evaluated = evalDataset && (await evaluateTexts(model, evalDataset, { signal }));
  if (settings.calibrate && evaluated !== undefined) await calibrate(model, evaluated);
  const best = state.best && {
    step: state.best.step,
    metric: state.best.metric,
    value: state.best.value,
  };
  const result: FitResult = {
    step: state.step,
    epoch: state.rows / known.rows,
    skippedSteps: state.skipped,
    stopped: whyStopped(settings, state),
    best,
    evaluation: evaluated === undefined ? null : withoutTexts(evaluated),
    checkpoint,
    seconds: state.seconds,
  };
  if (outputDir !== undefined) {
    await model.savePretrained(outputDir);
    await folder.prune(settings.saveTotalLimit, state);
    if (settings.report) await writeRunReport(parts, result, evaluated);
  }
  return result;
}

function whyStopped(settings: FitSettings, state: TrainerState): FitResult["stopped"] {
  if (state.stoppedEarly) return "early stopping";
  return state.epoch >= settings.epochs ? "completed" : "max steps";
}

function withoutTexts({ metrics, logits, targets }: EvaluatedTexts): Evaluation {
  return { metrics, logits, targets };
}
