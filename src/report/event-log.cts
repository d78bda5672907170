import { hostname } from "node:os";
import path from "node:path";

import { naturalNumber } from "../check.cjs";
import { readPath } from "../paths.cjs";
import { AppendedFile } from "./appended-file.cjs";
import { scalarsEvent, startEvent, versionEvent } from "./event-record.cjs";
import type { EvaluationRecord, StepRecord } from "./run-record.cjs";

let files = 0;

/** What names and dates the events; tests give other ones. */
export interface EventClock {
  /** Seconds since 1970. */
  now(): number;
}

const wallClock: EventClock = { now: () => Date.now() / 1000 };

/**
 * Writes a run as TensorBoard shows it: `train/loss`, `train/grad_norm`, `train/learning_rate/{group}`,
 * `eval/{metric}`, in a file `events.out.tfevents.{seconds}.{host}.{pid}.{n}`.
 */
export class EventLog {
  /** The file that is written. */
  readonly file: string;
  readonly #file: AppendedFile;
  readonly #groups: readonly string[];
  readonly #clock: EventClock;

  private constructor(file: string, log: AppendedFile, groups: readonly string[], c: EventClock) {
    this.file = file;
    this.#file = log;
    this.#groups = groups;
    this.#clock = c;
  }

  /**
   * Begins a file in `directory`. With the step that a run is resumed from, what earlier files there say of later
   * steps is shown no more. Throws ERR_INVALID_ARGUMENT or ERR_IO.
   *
   * @param groups - names of the parameter groups, in the order of a record's `learningRates`
   */
  static async open(
    directory: string,
    groups: readonly string[],
    resumedFrom: number | null = null,
    clock: EventClock = wallClock,
  ): Promise<EventLog> {
    const seconds = clock.now();
    const parts = [Math.floor(seconds), hostname(), process.pid, files++];
    const name = `events.out.tfevents.${parts.join(".")}`;
    const file = path.join(readPath(directory, "directory"), name);
    const from = resumedFrom === null ? null : naturalNumber(resumedFrom, "resumedFrom");
    const log = await AppendedFile.open(file);
    await log.append(versionEvent(seconds));
    if (from !== null) await log.append(startEvent(seconds, from + 1));
    return new EventLog(file, log, groups, clock);
  }

  /** Fulfilled when the operating system has it; throws ERR_IO. */
  step({ step, loss, gradNorm, learningRates }: StepRecord): Promise<void> {
    return this.#append(step, [
      ["train/loss", loss],
      ["train/grad_norm", gradNorm],
      ...this.#groups.map(
        (group, i) => [`train/learning_rate/${group}`, learningRates[i] ?? NaN] as const,
      ),
    ]);
  }

  /** Fulfilled when the operating system has it; throws ERR_IO. */
  evaluation({ step, metrics }: EvaluationRecord): Promise<void> {
    const scalars = Object.entries(metrics).map(
      ([name, value]) => [`eval/${name}`, value] as const,
    );
    return this.#append(step, scalars);
  }

  /** Fulfilled when all is written; throws ERR_IO. */
  close(): Promise<void> {
    return this.#file.close();
  }

  #append(step: number, scalars: readonly (readonly [string, number])[]): Promise<void> {
    return this.#file.append(scalarsEvent(this.#clock.now(), step, scalars));
  }
}
