import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { computeMetrics } from "../../../src/metrics/metrics.cjs";
import type {
  EvaluationRecord,
  RunEvaluation,
  RunRecord,
  StepRecord,
} from "../../../src/report/run-record.cjs";

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

/** A finished run of ten steps and two evaluations, without evaluated rows. */
export function runRecord(fields: Partial<RunRecord> = {}): RunRecord {
  return {
    name: "Films",
    groups: ["encoder", "encoder, no decay", "head"],
    steps: Array.from({ length: 10 }, (_, i) => step(i + 1, { learningRates: [1, 1, 2] })),
    evaluations: [evaluation(5), evaluation(10)],
    best: { step: 5, metric: "accuracy", value: 0.8 },
    options: { epochs: 1 },
    config: { hidden_size: 8 },
    versions: { bertcnn: "0.1.0" },
    data: { rows: 10 },
    stopped: "completed",
    evaluation: null,
    ...fields,
  };
}

type Rows = Pick<RunEvaluation, "problemType" | "labels" | "logits" | "targets">;

/** The rows with their metrics, and texts `text 0`, `text 1` ... where none are given. */
export function evaluated(rows: Rows, texts?: string[]): RunEvaluation {
  const count = rows.logits.length / rows.labels.length;
  return {
    ...rows,
    texts: texts ?? Array.from({ length: count }, (_, row) => `text ${String(row)}`),
    metrics: computeMetrics(rows),
  };
}
