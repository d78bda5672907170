// What a model costs the JavaScript thread.
import { monitorEventLoopDelay } from "node:perf_hooks";

import { callers } from "./loads.mjs";

/** The 99th percentile of the event loop's delay, in milliseconds, while `work` runs. */
export async function loopDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  return histogram.percentile(99) / 1e6;
}

/** Microseconds in which the event loop was not waiting, for each call of one text. */
export async function callCost(model, text, count) {
  const before = performance.eventLoopUtilization();
  await callers(model, new Array(count).fill(text), 64);
  return (performance.eventLoopUtilization(before).active / count) * 1000;
}
