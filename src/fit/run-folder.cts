import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import path from "node:path";

import type { BertCnn } from "../bert-cnn.cjs";
import { BertCnnError } from "../errors.cjs";
import { ioError } from "../report/write-file.cjs";
import {
  readTrainerState,
  writeTrainerState,
  type RunIdentity,
  type TrainerState,
} from "./trainer-state.cjs";

const CHECKPOINT = /^checkpoint-(\d+)$/;
const BEST = /^best-\d+\.safetensors$/;
/** What a killed process may leave. */
const LEFT_OVER = /^\.(checkpoint-\d+)\.[0-9a-f-]{36}$/;

export const STATE_FILE = "trainer_state.json";
export const TRAINING_STATE_FILE = "training_state.safetensors";

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * The folder of a run: `checkpoint-{step}`, each with a training state and the run's state, and `best-{step}.safetensors`
 * with the weights of the best evaluation. A checkpoint appears complete or not at all, and disappears at once.
 */
export class RunFolder {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes the folder where it is missing, and removes what a killed process left. Throws ERR_IO. */
  async prepare(): Promise<void> {
    await this.#reporting("Cannot write", async () => {
      await mkdir(this.folder, { recursive: true });
      for (const name of await readdir(this.folder)) {
        if (LEFT_OVER.test(name)) await this.#remove(name);
      }
    });
  }

  /** The steps of the checkpoints that are there, in order. Throws ERR_IO. */
  async checkpoints(): Promise<number[]> {
    const names = await this.#reporting("Cannot read", () => readdir(this.folder));
    const steps = names.flatMap((name) => CHECKPOINT.exec(name)?.[1] ?? []).map(Number);
    return steps.sort((a, b) => a - b);
  }

  checkpoint(step: number): string {
    return path.join(this.folder, `checkpoint-${String(step)}`);
  }

  best(file: string): string {
    return path.join(this.folder, file);
  }

  /**
   * Writes a checkpoint; one of this step that is there stays as it is, since it holds the same weights. Throws ERR_IO,
   * and then nothing of it is left.
   */
  async save(model: BertCnn, state: TrainerState, identity: RunIdentity): Promise<string> {
    const target = this.checkpoint(state.step);
    if ((await this.checkpoints()).includes(state.step)) return target;
    const aside = path.join(this.folder, `.checkpoint-${String(state.step)}.${randomUUID()}`);
    try {
      await mkdir(aside);
      await model.saveTrainingState(path.join(aside, TRAINING_STATE_FILE));
      await writeTrainerState(path.join(aside, STATE_FILE), state, identity);
      await syncFolder(aside);
      await rename(aside, target);
      await syncFolder(this.folder);
    } catch (error) {
      await rm(aside, { recursive: true, force: true });
      throw await this.#failure(target, error);
    }
    return target;
  }

  /** Says what is left to go on from. */
  async #failure(target: string, error: unknown): Promise<BertCnnError> {
    const failure = error instanceof BertCnnError ? error : ioError("Cannot write", target, error);
    const last = (await this.checkpoints()).at(-1);
    const left =
      last === undefined
        ? "there is no earlier checkpoint"
        : `the checkpoint before it is ${this.checkpoint(last)}`;
    const message = `The checkpoint ${target} was not written, ${left}: ${failure.message}`;
    return new BertCnnError(failure.code, message, { cause: error });
  }

  /** Removes the oldest checkpoints beyond `limit`, and weights that no checkpoint and not `state` calls best. */
  async prune(limit: number | undefined, state: TrainerState): Promise<void> {
    const steps = await this.checkpoints();
    const kept = limit === undefined ? steps : steps.slice(-limit);
    for (const step of steps) if (!kept.includes(step)) await this.removeCheckpoint(step);
    const used = new Set([state.best?.file]);
    for (const step of kept) {
      const written = await readTrainerState(path.join(this.checkpoint(step), STATE_FILE));
      used.add(written.state.best?.file);
    }
    await this.#reporting("Cannot remove from", async () => {
      for (const name of await readdir(this.folder)) {
        if (BEST.test(name) && !used.has(name)) await rm(path.join(this.folder, name));
      }
    });
  }

  /** Renamed first: a checkpoint that is half removed must not pass for one. */
  async removeCheckpoint(step: number): Promise<void> {
    const aside = `.checkpoint-${String(step)}.${randomUUID()}`;
    await this.#reporting("Cannot remove from", async () => {
      await rename(this.checkpoint(step), path.join(this.folder, aside));
      await this.#remove(aside);
    });
  }

  #remove(name: string): Promise<void> {
    return rm(path.join(this.folder, name), { recursive: true, force: true });
  }

  async #reporting<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw ioError(what, this.folder, error);
    }
  }
}
