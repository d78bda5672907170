import { inspect } from "node:util";

import { flattenMetrics, type Metrics } from "../metrics/metrics.cjs";
import type { train } from "./train.cjs";

function isMetrics(value: object): value is Metrics {
  return "problemType" in value && "loss" in value;
}

function table(entries: readonly (readonly [string, unknown])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${show(value)}`).join("\n");
}

function show(value: unknown): string {
  if (typeof value === "number" && !Number.isInteger(value)) return value.toPrecision(5);
  if (typeof value === "string") return value;
  return inspect(value, { depth: 4, breakLength: 100, maxArrayLength: 20 });
}

/** Names and values for people to read; of metrics those that are one number. */
export function describe(value: object, rows?: number): string {
  const entries = Object.entries(isMetrics(value) ? flattenMetrics(value) : value);
  return table(rows === undefined ? entries : [["rows", rows], ...entries]);
}

/** What a training came to, for people to read. */
export function resultTable(result: Awaited<ReturnType<typeof train>>, out: string): string {
  const { best, metrics, rows, step, stopped, seconds } = result;
  return table([
    ["model", out],
    ["rows", `${String(rows.trained)} trained on, ${String(rows.evaluated)} evaluated`],
    ["steps", `${String(step)} (${stopped}), ${String(Math.round(seconds))} s`],
    ["best", best ? `${best.metric} ${show(best.value)} at step ${String(best.step)}` : "-"],
    ...(metrics === null ? [] : Object.entries(flattenMetrics(metrics))),
  ]);
}
