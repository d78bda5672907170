import { open, type FileHandle } from "node:fs/promises";

import { naturalNumber } from "../check.cjs";
import { readPath } from "../paths.cjs";
import { AppendedFile } from "./appended-file.cjs";
import type { EvaluationRecord, StepRecord } from "./run-record.cjs";
import { ioError, replaceFile } from "./write-file.cjs";

/** The records of a `metrics.jsonl`, each kind in the order of the file. */
export interface LoggedRecords {
  /** The training steps. */
  readonly steps: StepRecord[];
  /** The evaluations. */
  readonly evaluations: EvaluationRecord[];
}

interface Line {
  readonly text: string;
  readonly record: { readonly type: unknown; readonly step: number };
}

/**
 * The whole lines that hold a record. What a killed process left half-written is none: it lacks its line feed, or,
 * after a power failure, makes no sense.
 */
async function* lines(handle: FileHandle): AsyncGenerator<Line> {
  for await (const text of wholeLines(handle)) {
    const record = parse(text) as { type?: unknown; step?: unknown } | null | undefined;
    if (typeof record?.step !== "number") continue;
    yield { text, record: record as Line["record"] };
  }
}

/** Each with its line feed; what follows the last one is dropped, which `readline` would not do. */
async function* wholeLines(handle: FileHandle): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of handle.createReadStream({ encoding: "utf8", autoClose: false })) {
    rest += chunk as string;
    let begin = 0;
    for (let end; (end = rest.indexOf("\n", begin)) >= 0; begin = end + 1) {
      yield rest.slice(begin, end + 1);
    }
    rest = rest.slice(begin);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined where there is no such file. */
async function openToRead(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw ioError("Cannot read", file, error);
  }
}

/** Leaves the steps up to `step` and the evaluations up to `evaluated`. */
async function cutBack(file: string, step: number, evaluated: number): Promise<void> {
  const handle = await openToRead(file);
  if (handle === undefined) return;
  try {
    await replaceFile(file, async (aside) => {
      for await (const { text, record } of lines(handle)) {
        const last = record.type === "evaluation" ? evaluated : step;
        if (record.step <= last) await aside.appendFile(text);
      }
    });
  } finally {
    await handle.close();
  }
}

/**
 * Writes a run's `metrics.jsonl`: a line for each record, `{"type":"step",...}` or `{"type":"evaluation",...}`, with
 * the record's fields. A number that is not finite becomes null, as JSON has none.
 */
export class MetricsLog {
  readonly #file: AppendedFile;

  private constructor(file: AppendedFile) {
    this.#file = file;
  }

  /**
   * Begins the file anew, or, with the step that a run is resumed from, cuts it back to that step and goes on.
   * Throws ERR_INVALID_ARGUMENT or ERR_IO.
   *
   * @param evaluated - the step of the last evaluation to keep, where the one after `resumedFrom` is still to come
   */
  static async open(
    file: string,
    resumedFrom: number | null = null,
    evaluated: number | null = resumedFrom,
  ): Promise<MetricsLog> {
    const path = readPath(file, "file");
    if (resumedFrom === null) await replaceFile(path, () => Promise.resolve());
    else {
      const step = naturalNumber(resumedFrom, "resumedFrom");
      await cutBack(path, step, naturalNumber(evaluated, "evaluated"));
    }
    return new MetricsLog(await AppendedFile.open(path));
  }

  /** Fulfilled when the operating system has the line; throws ERR_IO. */
  step(record: StepRecord): Promise<void> {
    return this.#append("step", record);
  }

  /** Fulfilled when the operating system has the line; throws ERR_IO. */
  evaluation(record: EvaluationRecord): Promise<void> {
    return this.#append("evaluation", record);
  }

  /** Fulfilled when all is written; throws ERR_IO. */
  close(): Promise<void> {
    return this.#file.close();
  }

  #append(type: string, record: StepRecord | EvaluationRecord): Promise<void> {
    return this.#file.append(`${JSON.stringify({ type, ...record })}\n`);
  }
}

/** The numbers that JSON had no word for. */
const orNaN = (value: number | null): number => value ?? NaN;

/**
 * Reads a `metrics.jsonl` back, as far as it is whole; null becomes NaN. There are no records where there is no file.
 *
 * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT` or `ERR_IO`
 */
export async function readMetricsLog(file: string): Promise<LoggedRecords> {
  const path = readPath(file, "file");
  const records: LoggedRecords = { steps: [], evaluations: [] };
  const handle = await openToRead(path);
  if (handle === undefined) return records;
  try {
    for await (const { record } of lines(handle)) {
      const { type, ...rest } = record;
      if (type === "step") records.steps.push(readStep(rest as StepRecord));
      if (type === "evaluation") records.evaluations.push(readEvaluation(rest as EvaluationRecord));
    }
  } catch (error) {
    throw ioError("Cannot read", path, error);
  } finally {
    await handle.close();
  }
  return records;
}

function readStep(record: StepRecord): StepRecord {
  return {
    ...record,
    loss: orNaN(record.loss),
    gradNorm: orNaN(record.gradNorm),
    learningRates: record.learningRates.map(orNaN),
  };
}

function readEvaluation(record: EvaluationRecord): EvaluationRecord {
  const metrics = Object.entries(record.metrics).map(([name, value]) => [name, orNaN(value)]);
  return { ...record, metrics: Object.fromEntries(metrics) as Record<string, number> };
}
