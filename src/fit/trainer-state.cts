import { readFile } from "node:fs/promises";

import { BertCnnError } from "../errors.cjs";
import { replaceFile } from "../report/write-file.cjs";
import { initialPlateau, isPlateauState, type PlateauState } from "./plateau.cjs";

/** An evaluation that none was better than so far, and the file that keeps its weights. */
export interface BestEvaluation {
  readonly step: number;
  readonly metric: string;
  readonly value: number;
  /** A file name in the run's folder. */
  readonly file: string;
}

/** Where a run stands, beside what `saveTrainingState` keeps. */
export interface TrainerState {
  /** Optimizer steps that were due, those that were skipped among them. */
  step: number;
  /** Epochs that are over. */
  epoch: number;
  /** Batches taken of the epoch that goes on. */
  batch: number;
  /** Batches taken of all epochs. */
  batches: number;
  /** Rows taken of all epochs. */
  rows: number;
  /** Steps in a row, and in all, whose loss or gradients were not finite. */
  skippedInARow: number;
  skipped: number;
  /** Sum and number of the losses since the last optimizer step. */
  lossSum: number;
  losses: number;
  best: BestEvaluation | null;
  /** Evaluations since the best one. */
  evaluationsSinceBest: number;
  /** Where `reduceOnPlateau` stands. */
  plateau: PlateauState;
  /** The step of the last evaluation. */
  evaluatedStep: number;
  /** Whether it was ended since it got no better. */
  stoppedEarly: boolean;
  /** Seconds that the run has taken. */
  seconds: number;
}

/** What must be the same for a run to go on as if it had not been interrupted; all values are JSON. */
export interface RunIdentity {
  readonly options: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The state of a run that begins. */
export function initialState(): TrainerState {
  return {
    step: 0,
    epoch: 0,
    batch: 0,
    batches: 0,
    rows: 0,
    skippedInARow: 0,
    skipped: 0,
    lossSum: 0,
    losses: 0,
    best: null,
    evaluationsSinceBest: 0,
    plateau: initialPlateau,
    evaluatedStep: 0,
    stoppedEarly: false,
    seconds: 0,
  };
}

const VERSION = 1;

interface Written extends RunIdentity {
  readonly version: number;
  readonly state: TrainerState;
}

export async function writeTrainerState(
  file: string,
  state: TrainerState,
  identity: RunIdentity,
): Promise<void> {
  const written: Written = { version: VERSION, state, ...identity };
  await replaceFile(file, async (handle) => {
    await handle.writeFile(`${JSON.stringify(written, null, 2)}\n`);
  });
}

function damaged(file: string, reason: string, cause?: unknown): BertCnnError {
  return new BertCnnError("ERR_CHECKPOINT_FORMAT", `'${file}' is no state of a run: ${reason}`, {
    cause,
  });
}

/** A file that anybody may have changed: what it holds is looked at before it counts. */
function isState(value: unknown): value is TrainerState {
  if (typeof value !== "object" || value === null) return false;
  const state = value as Record<string, unknown>;
  return Object.entries(initialState()).every(([name, initial]) => {
    const given = state[name];
    if (name === "best") return given === null || isBest(given);
    if (name === "plateau") return isPlateauState(given);
    if (typeof initial === "number") return typeof given === "number" && given >= 0;
    return typeof given === typeof initial;
  });
}

function isBest(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { step, metric, value: reached, file } = value as Record<string, unknown>;
  const types = [typeof step, typeof metric, typeof reached];
  // A plain file name: it is joined to the run's folder.
  const plain = typeof file === "string" && /^best-\d+\.safetensors$/.test(file);
  return types.join() === "number,string,number" && plain;
}

/**
 * Reads a state and the identity of its run. Throws ERR_IO or ERR_CHECKPOINT_FORMAT.
 */
export async function readTrainerState(
  file: string,
): Promise<{ state: TrainerState; identity: RunIdentity }> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new BertCnnError("ERR_IO", `Cannot read ${file}: ${code}`, { cause: error });
  }
  let written: Partial<Written> | null;
  try {
    written = JSON.parse(text) as Partial<Written> | null;
  } catch (error) {
    throw damaged(file, "it is no JSON", error);
  }
  if (written?.version !== VERSION) {
    throw damaged(file, `its version is not ${String(VERSION)}`);
  }
  const { options, data } = written;
  // Runs of before there were plateaus have stood on none.
  const stored: Partial<TrainerState> | undefined = written.state;
  const state = stored && { plateau: initialPlateau, ...stored };
  if (!isState(state) || typeof options !== "object" || typeof data !== "object") {
    throw damaged(file, "a field is missing or of the wrong type");
  }
  return { state, identity: { options, data } };
}

/** Throws ERR_CHECKPOINT_MISMATCH naming the option, or the data, that is not as it was. */
export function compareIdentity(stored: RunIdentity, own: RunIdentity, file: string): void {
  for (const part of ["options", "data"] as const) {
    const [before, now] = [stored[part], own[part]];
    const show = (value: unknown) => (value === undefined ? "absent" : JSON.stringify(value));
    for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
      const [was, is] = [show(before[name]), show(now[name])];
      if (was === is) continue;
      throw new BertCnnError(
        "ERR_CHECKPOINT_MISMATCH",
        `Expected ${part}.${name} to be ${was}, as in the run of '${file}', to go on with it, ` +
          `but it is ${is}`,
      );
    }
  }
}
