import type { BertCnn, StepResult } from "../bert-cnn.cjs";
import { throwIfAborted } from "../calls.cjs";
import type { ExampleBatch } from "../data/batches.cjs";
import type { Dataset } from "../data/dataset.cjs";
import { BertCnnError } from "../errors.cjs";
import { flattenMetrics } from "../metrics/metrics.cjs";
import type { EvaluationRecord, StepRecord } from "../report/run-record.cjs";
import { evaluateTexts } from "./evaluate.cjs";
import type { FitSettings, Interval } from "./options.cjs";
import { nextPlateau } from "./plateau.cjs";
import { Progress } from "./progress.cjs";
import type { RunFolder } from "./run-folder.cjs";
import type { RunLogs } from "./run-logs.cjs";
import { toTargets } from "./targets.cjs";
import { batchOptions, type TrainingData } from "./training-data.cjs";
import type { RunIdentity, TrainerState } from "./trainer-state.cjs";

/** Steps in a row whose loss or gradients are not finite, after which a run is given up. */
const MOST_SKIPPED = 10;

/** What a run works with. */
export interface RunParts {
  readonly model: BertCnn;
  readonly data: Dataset;
  readonly known: TrainingData;
  readonly settings: FitSettings;
  readonly state: TrainerState;
  readonly identity: RunIdentity;
  /** Of checkpoints, where they are written, and the best weights. */
  readonly folder: RunFolder;
  readonly logs: RunLogs | undefined;
  /** The names of all groups that the run trains, now or later. */
  readonly groups: readonly string[];
}

/** Whether what is due every `interval` is due after this optimizer step. */
function isDue(interval: Interval | "no", step: number): boolean {
  return typeof interval === "number" && step % interval === 0;
}

/** Metrics of which less is better. */
const ERRORS = new Set(["loss", "mse", "rmse", "mae"]);

/** By how much a metric is better than the best so far. */
function improvement(metric: string, value: number, best: number | undefined): number {
  if (Number.isNaN(value)) return -Infinity;
  if (best === undefined) return Infinity;
  return ERRORS.has(metric) ? best - value : value - best;
}

/** The training loop: from where its state says to the end. */
export class TrainingRun {
  readonly #parts: RunParts;
  readonly #accumulation: number;
  readonly #progress: Progress | undefined;
  readonly #began: number;
  readonly #secondsBefore: number;
  /** Batches handed to the engine; of the last one the result may be awaited yet. */
  #begun: number;
  #last: Promise<void> = Promise.resolve();
  /** The places in `groups` of those that are trained in this epoch. */
  #trained: readonly number[] = [];
  /** The newest checkpoint. */
  checkpoint: string | null = null;

  constructor(parts: RunParts) {
    const { settings, known, state } = parts;
    this.#parts = parts;
    this.#accumulation = settings.training.gradientAccumulationSteps ?? 1;
    this.#begun = state.batches;
    this.#began = performance.now();
    this.#secondsBefore = state.seconds;
    const rows = settings.maxSteps === undefined ? known.rows * settings.epochs : undefined;
    if (settings.progress) {
      this.#progress = new Progress("training", rows);
      this.#progress.advance(state.rows);
    }
  }

  /** Seconds that the run has taken, those before it was resumed among them. */
  get seconds(): number {
    return this.#secondsBefore + (performance.now() - this.#began) / 1000;
  }

  /** Trains to the end. An abort leaves a checkpoint, where the run writes any, and rejects with the reason. */
  async train(): Promise<void> {
    const { settings, state } = this.#parts;
    try {
      if (isDue(settings.evalSteps, state.step)) await this.#evaluateOnce(); // an abort came before it
      while (!this.#over()) await this.#epoch();
      await this.#evaluateOnce();
      if (settings.saveSteps !== "no") await this.#save();
    } catch (error) {
      // What was begun is settled, and counted where it was taken.
      await this.#last.catch(() => undefined);
      if (settings.signal?.aborted && settings.saveSteps !== "no") await this.#save();
      throw error;
    } finally {
      state.seconds = this.seconds;
      this.#progress?.end();
    }
  }

  #over(): boolean {
    const { settings, state } = this.#parts;
    const { epochs, maxSteps = Infinity } = settings;
    return state.stoppedEarly || state.epoch >= epochs || this.#stepsBegun() >= maxSteps;
  }

  #stepsBegun(): number {
    return Math.floor(this.#begun / this.#accumulation);
  }

  async #epoch(): Promise<void> {
    const { model, data, settings, state } = this.#parts;
    await this.#freeze();
    for await (const batch of data.batches(
      batchOptions(settings, model, state.epoch, state.batch),
    )) {
      throwIfAborted(settings.signal);
      // One step waits in the engine's queue while another is computed, so that reading costs no time.
      const before = this.#last;
      this.#begin(batch);
      await before;
      if (this.#begun % this.#accumulation === 0) await this.#afterStep();
      if (this.#over()) break;
    }
    await this.#last;
    if (!this.#over()) await this.#endEpoch();
  }

  /** Freezes what this epoch asks for; a run that was resumed within one has it already. */
  async #freeze(): Promise<void> {
    const { model, settings, state, groups } = this.#parts;
    const freeze = settings.freezeByEpoch[state.epoch];
    if (freeze !== undefined && state.batch === 0) await model.setFreeze(freeze);
    const trained = await model.parameterGroups();
    this.#trained = trained.map(({ name }) => groups.indexOf(name));
  }

  #begin({ texts, labels, rows }: ExampleBatch): void {
    const { model, settings } = this.#parts;
    const targets = toTargets(labels, rows, model);
    const step = model.trainStep({ texts, labels: targets }, { signal: settings.signal });
    this.#begun++;
    this.#last = this.#book(this.#last, step, rows.length);
    // Whoever awaits it next hears of it.
    this.#last.catch(() => undefined);
  }

  /** Counts a batch once it and those before it are taken. */
  async #book(before: Promise<void>, step: Promise<StepResult>, rows: number): Promise<void> {
    const [, result] = await Promise.allSettled([before, step]);
    await before;
    const { state } = this.#parts;
    if (result.status === "rejected") this.#skip(result.reason);
    state.batches++;
    state.batch++;
    state.rows += rows;
    state.step = Math.floor(state.batches / this.#accumulation);
    if (result.status === "rejected") return;
    state.skippedInARow = 0;
    state.lossSum += result.value.loss;
    state.losses++;
    if (result.value.updated) await this.#record(result.value);
    this.#progress?.advance(rows, `loss ${result.value.loss.toPrecision(3)}`);
  }

  /** A step that was not finite changed nothing, and the run goes on, unless all steps are so. */
  #skip(reason: unknown): void {
    const { state } = this.#parts;
    if (!(reason instanceof BertCnnError) || reason.code !== "ERR_NON_FINITE") throw reason;
    state.skipped++;
    if (++state.skippedInARow < MOST_SKIPPED) return;
    throw new BertCnnError(
      "ERR_NON_FINITE",
      `${String(MOST_SKIPPED)} steps in a row were skipped; lower the learning rates. The last one: ${reason.message}`,
      { cause: reason },
    );
  }

  async #record({ learningRates, gradNorm }: StepResult): Promise<void> {
    const { settings, state, logs, groups } = this.#parts;
    const rates = groups.map((_, i) => learningRates[this.#trained.indexOf(i)] ?? NaN);
    const record: StepRecord = {
      step: Math.ceil(state.batches / this.#accumulation),
      epoch: this.#epochs(),
      loss: state.lossSum / state.losses,
      learningRates: rates,
      gradNorm,
      seconds: this.seconds,
    };
    state.lossSum = 0;
    state.losses = 0;
    await logs?.step(record);
    await settings.onStep?.(record);
  }

  /** Passes over the data, with the fraction of the one that goes on. */
  #epochs(): number {
    return this.#parts.state.rows / this.#parts.known.rows;
  }

  async #afterStep(): Promise<void> {
    const { evalSteps, saveSteps } = this.#parts.settings;
    const step = this.#stepsBegun();
    const [evaluates, saves] = [isDue(evalSteps, step), isDue(saveSteps, step)];
    if (!evaluates && !saves) return;
    await this.#last;
    if (evaluates) await this.#evaluateOnce();
    if (saves) await this.#save();
  }

  async #endEpoch(): Promise<void> {
    const { settings, state } = this.#parts;
    // Before the epoch is over: a run that ends meanwhile evaluates when it goes on.
    if (settings.evalSteps === "epoch") await this.#evaluateOnce();
    state.epoch++;
    state.batch = 0;
    if (settings.saveSteps === "epoch") await this.#save();
  }

  async #save(): Promise<void> {
    const { model, settings, state, identity, folder } = this.#parts;
    state.seconds = this.seconds;
    const before = this.checkpoint;
    this.checkpoint = await folder.save(model, state, identity);
    if (this.checkpoint === before) return;
    await folder.prune(settings.saveTotalLimit, state);
    await settings.onCheckpoint?.(this.checkpoint);
  }

  /** Evaluates, unless that was done after this very step. */
  async #evaluateOnce(): Promise<void> {
    const { model, settings, state, logs } = this.#parts;
    const { evalDataset, signal, onEvaluate } = settings;
    if (evalDataset === undefined || state.evaluatedStep === state.step) return;
    const { metrics } = await evaluateTexts(model, evalDataset, { signal });
    const record: EvaluationRecord = {
      step: state.step,
      epoch: this.#epochs(),
      metrics: flattenMetrics(metrics),
      seconds: this.seconds,
    };
    await this.#judge(record);
    state.evaluatedStep = state.step;
    await logs?.evaluation(record);
    await onEvaluate?.(record);
  }

  /** Keeps the weights where the evaluation is the best so far; else looks whether to stop. */
  async #judge({ metrics }: EvaluationRecord): Promise<void> {
    const { model, settings, state, folder } = this.#parts;
    const { metricForBestModel: metric, earlyStopping, loadBestModelAtEnd } = settings;
    const value = metrics[metric] ?? NaN; // a correlation without variance, say
    const gain = improvement(metric, value, state.best?.value);
    if (gain > 0) {
      const file = `best-${String(state.step)}.safetensors`;
      if (loadBestModelAtEnd) await model.saveStateDict(folder.best(file));
      state.best = { step: state.step, metric, value, file };
    }
    if (gain > (earlyStopping?.minDelta ?? 0)) state.evaluationsSinceBest = 0;
    else state.evaluationsSinceBest++;
    if (earlyStopping !== undefined && state.evaluationsSinceBest >= earlyStopping.patience) {
      state.stoppedEarly = true;
    }
    await this.#followPlateau(value);
  }

  /** Lowers the learning rates where the evaluations ask for it. */
  async #followPlateau(value: number): Promise<void> {
    const { model, settings, state } = this.#parts;
    const { metricForBestModel: metric, reduceOnPlateau } = settings;
    if (reduceOnPlateau === undefined) return;
    const next = nextPlateau(state.plateau, value, ERRORS.has(metric), reduceOnPlateau);
    if (next.scale !== state.plateau.scale) await model.setLearningRateScale(next.scale);
    state.plateau = next;
  }
}
