// Takes training steps through the public API and prints JSON: ours.mjs FOLDER TASK
import { readFileSync, writeFileSync } from "node:fs";

import { BertCnn } from "../../../dist/index.js";
import { tokenBatch } from "../peers/tokens.mjs";

const [folder, file] = process.argv.slice(2);
const task = JSON.parse(readFileSync(file, "utf8"));
const { batches, threads, freeze, dropout, training, epochs } = task;

/** @param {string} field of /proc/self/status, in bytes */
function status(field) {
  const text = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)[1]) * 1024;
}

const options = { device: "cpu", freeze, threads, padding: "ignore", seed: 1 };
const model = await BertCnn.fromPretrained(folder, { ...options, ...dropout });
model.configureTraining(training);
let seconds = [];
const losses = [];
const steps = Array.from({ length: epochs }, () => batches).flat();
for (const [index, { texts, labels }] of steps.entries()) {
  if (index % batches.length === 0) seconds = []; // an epoch is timed, the last one
  // The first step only pays for setting up; its memory is that of every step.
  if (index === 1) writeFileSync("/proc/self/clear_refs", "5");
  const batch = { tokens: tokenBatch(texts), labels };
  const begin = performance.now();
  losses.push((await model.trainStep(batch)).loss);
  seconds.push((performance.now() - begin) / 1000);
}
const peak = status("VmHWM");
await model.dispose();
console.log(JSON.stringify({ seconds: seconds.slice(1), losses, peak }));
