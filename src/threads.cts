import { availableParallelism } from "node:os";

import { integerUpTo, shaped, unexpected, type Check } from "./check.cjs";
import { BertCnnError } from "./errors.cjs";
import type { NativeThreads } from "./native.cjs";

/** A number of threads that any system has room for. */
const MOST = 1024;

/** Predictions on several threads at once, each with a batch of its own. */
export interface WorkerThreads {
  /** Threads that predict, each a batch at a time. */
  workers: number;
  /** Threads of one operation of a worker. Default 1. */
  perWorker?: number | undefined;
}

/**
 * The threads of a model on the CPU. A number: every operation is done by so many threads, one batch after
 * another. Workers: several batches at once. `"auto"`: by what waits; where fewer rows wait than there are
 * processors, all processors work on one batch, else each on its own.
 */
export type Threads = "auto" | number | WorkerThreads;

const workersShape = { workers: integerUpTo(MOST), perWorker: integerUpTo(MOST) };

/** For {@link shaped}: reads {@link Threads}. */
export const threads: Check<NativeThreads> = (value, name) => {
  if (value === "auto") return automaticThreads();
  if (typeof value === "number") return one(integerUpTo(MOST)(value, name));
  if (typeof value !== "object" || value === null) {
    throw unexpected('"auto", number or object with workers', name, value);
  }
  const { workers, perWorker = 1 } = shaped(value, name, workersShape);
  if (workers === undefined) throw unexpected("number", `${name}.workers`, workers);
  if (workers * perWorker > MOST) {
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected at most ${String(MOST)} threads for ${name} ` +
        `but received ${String(workers)} workers with ${String(perWorker)} threads each`,
    );
  }
  return { workers, perWorker, adaptive: false };
};

/** `"auto"`, which a model also gets that names no threads. */
export function automaticThreads(): NativeThreads {
  return { workers: availableParallelism(), perWorker: 1, adaptive: true };
}

function one(perWorker: number): NativeThreads {
  return { workers: 1, perWorker, adaptive: false };
}
