import { readFileSync } from "node:fs";
import path from "node:path";

import type { MetricInput, Metrics, ProblemType } from "../../../src/index.cjs";

/** A case of `test/fixtures/metrics.json`; `scripts/fixtures/metrics.py` makes them. */
export interface MetricCase {
  problemType: ProblemType;
  labels: number;
  logits: number[];
  targets: number[];
  thresholds?: number[];
  /** By the names of {@link Metrics}, and `ece`. */
  metrics: Record<string, unknown>;
  /** The temperature of least loss from 0.01 to 100. */
  best?: { temperature: number; loss: number };
  /** By label, the largest F1 of any threshold; null for a label without rows. */
  bestF1?: (number | null)[];
}

const file = path.join(__dirname, "../../fixtures/metrics.json");
const cases = JSON.parse(readFileSync(file, "utf8")) as Record<string, MetricCase>;

export const casesOf = (...types: ProblemType[]): [string, MetricCase][] =>
  Object.entries(cases).filter(([, { problemType }]) => types.includes(problemType));

export function toInput(one: MetricCase): MetricInput {
  const { problemType, thresholds } = one;
  const targets =
    problemType === "single_label_classification"
      ? Int32Array.from(one.targets)
      : Float32Array.from(one.targets);
  return {
    problemType,
    labels: Array.from({ length: one.labels }, (_, i) => `label ${String(i)}`),
    logits: Float32Array.from(one.logits),
    targets,
    thresholds,
  };
}

/** Expects numbers to be equal but for rounding, however deep in objects and arrays; `expected` may hold less. */
export function expectNear(actual: unknown, expected: unknown, where: string): void {
  if (typeof expected === "number") {
    const bound = 1e-12 * Math.max(1, Math.abs(expected));
    const distance = Math.abs((actual as number) - expected);
    expect({ where, actual, expected, near: distance <= bound }).toMatchObject({ near: true });
  } else if (typeof expected === "object" && expected !== null) {
    for (const [key, value] of Object.entries(expected)) {
      const part = (actual as Record<string, unknown>)[key];
      expectNear(part, value, `${where}.${key}`);
    }
  } else {
    expect({ where, value: actual }).toEqual({ where, value: expected });
  }
}

/** The metrics as the fixtures name them. */
export function named(metrics: Metrics): Record<string, unknown> {
  return metrics.problemType === "regression"
    ? { ...metrics }
    : { ...metrics, ece: metrics.reliability.ece };
}
