import { mkdir } from "node:fs/promises";
import path from "node:path";

import { EventLog } from "../report/event-log.cjs";
import { MetricsLog } from "../report/metrics-log.cjs";
import type { EvaluationRecord, StepRecord } from "../report/run-record.cjs";
import { ioError } from "../report/write-file.cjs";

export const METRICS_FILE = "metrics.jsonl";

/** A run's `metrics.jsonl` and, in `tensorboard/`, its event file. */
export class RunLogs {
  readonly #metrics: MetricsLog;
  readonly #events: EventLog;

  private constructor(metrics: MetricsLog, events: EventLog) {
    this.#metrics = metrics;
    this.#events = events;
  }

  /**
   * @param resumedFrom - the step of the checkpoint that the run goes on from; what was logged later is dropped
   * @param evaluated - the step of the last evaluation before the checkpoint
   */
  static async open(
    folder: string,
    groups: readonly string[],
    resumedFrom: number | null,
    evaluated: number,
  ): Promise<RunLogs> {
    const directory = path.join(folder, "tensorboard");
    await mkdir(directory, { recursive: true }).catch((error: unknown) => {
      throw ioError("Cannot write", directory, error);
    });
    const metrics = await MetricsLog.open(path.join(folder, METRICS_FILE), resumedFrom, evaluated);
    try {
      return new RunLogs(metrics, await EventLog.open(directory, groups, resumedFrom));
    } catch (error) {
      await metrics.close();
      throw error;
    }
  }

  async step(record: StepRecord): Promise<void> {
    await Promise.all([this.#metrics.step(record), this.#events.step(record)]);
  }

  async evaluation(record: EvaluationRecord): Promise<void> {
    await Promise.all([this.#metrics.evaluation(record), this.#events.evaluation(record)]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#metrics.close(), this.#events.close()]);
  }
}
