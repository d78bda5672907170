// Loads a checkpoint through the public API and prints JSON: ours.mjs DIRECTORY TINY
import { readFileSync } from "node:fs";

import { BertCnn } from "../../../dist/index.js";

/** @param {string} field of /proc/self/status, in bytes */
function status(field) {
  const text = readFileSync("/proc/self/status", "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)[1]) * 1024;
}

const [directory, tiny] = process.argv.slice(2);
const options = { device: "cpu", seed: 1 };
await (await BertCnn.fromPretrained(tiny, options)).dispose(); // the threads are there

const before = status("VmRSS");
const start = performance.now();
const model = await BertCnn.fromPretrained(directory, options);
const seconds = (performance.now() - start) / 1000;
const peak = status("VmHWM") - before;
const mapped = readFileSync("/proc/self/maps", "utf8").includes(directory);
const { packSeconds } = model.loadReport;
await model.dispose();
console.log(JSON.stringify({ seconds: seconds - packSeconds, packSeconds, peak, mapped }));
