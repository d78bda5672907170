import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import type { EvaluationRecord, StepRecord } from "../../../src/report/run-record.cjs";

/** A folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "bertcnn-report-"));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function step(n: number, fields: Partial<StepRecord> = {}): StepRecord {
  return {
    step: n,
    epoch: n / 10,
    loss: 1 / n,
    learningRates: [1e-5],
    gradNorm: 2,
    seconds: n,
    ...fields,
  };
}

export function evaluation(
  n: number,
  metrics: Readonly<Record<string, number>> = { loss: 1 / n, accuracy: 1 - 1 / n },
): EvaluationRecord {
  return { step: n, epoch: n / 10, metrics, seconds: n };
}
