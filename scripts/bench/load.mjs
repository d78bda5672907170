/**
 * How fast and how lean a BERT-base file is loaded: `npm run bench:load [-- --rounds 9]`. Compares `fromPretrained`
 * with reading the file once from the page cache, and with Python's safetensors and torch.load, in one run: every
 * round does each once, in a process of its own, and the table has medians. Packing the weights for the processor has a
 * line of its own; its memory counts. Fails where a goal is missed.
 */
import { statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { reportingFailure, setUp } from "../setup.mjs";
import { cacheDirectory, makeOnce } from "../setup/cache.mjs";
import { run } from "../setup/process.mjs";
import { root, say } from "../setup/project.mjs";
import { pythonPackages } from "../setup/python.mjs";

const MOST_TIME = 1.5; // of reading and converting
const MOST_MEMORY = 1.3; // of the weights in float32
const FOLDER = fileURLToPath(new URL("load", import.meta.url));
const TINY = path.join(root, "test", "fixtures", "models", "tiny-bert");

/** Folders of files.py, and Python's ways to load what is in each. */
const FILES = [
  { name: "safetensors", file: "model.safetensors", ways: ["safetensors_load"] },
  { name: "safetensors-float16", file: "model.safetensors", ways: ["safetensors_load"] },
  { name: "zip", file: "pytorch_model.bin", ways: ["torch_load_mapped", "torch_load"] },
  { name: "legacy", file: "pytorch_model.bin", ways: ["torch_load"] },
  // Its goal is the memory: putting elements in order takes longer than reading them.
  { name: "zip-transposed", file: "pytorch_model.bin", ways: ["torch_load"], mostTime: 10 },
];
const BASE = "read_and_convert";
const OURS = "ours";
const TITLES = {
  [BASE]: "reading its bytes once, converting float16",
  [OURS]: "fromPretrained",
  safetensors_load: "safetensors.torch.load_file, copied from the map",
  torch_load_mapped: "torch.load(mmap=True), copied from the map",
  torch_load: "torch.load",
};

async function makeFiles(env) {
  const target = path.join(cacheDirectory(), "bench", "bert-base-random-2");
  await makeOnce(target, async (folder) => {
    say("making files of BERT-base's size with random weights (2 GB)");
    await run("python3", [path.join(FOLDER, "files.py"), folder], {
      what: "making the files",
      env,
    });
  });
  return target;
}

/** @returns {Promise<{ seconds: number, packSeconds?: number, peak: number, mapped?: boolean }>} */
async function measure(way, file, env) {
  const ours = [process.execPath, path.join(FOLDER, "ours.mjs"), path.dirname(file), TINY];
  const python = ["python3", path.join(FOLDER, "python.py"), way, file];
  const [command, ...args] = way === OURS ? ours : python;
  return JSON.parse(await run(command, args, { what: TITLES[way], env }));
}

async function measureAll(place, { name, file, ways }, rounds, env) {
  const results = new Map([BASE, OURS, ...ways].map((way) => [way, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [way, list] of results) {
      const result = await measure(way, path.join(place, name, file), env);
      if (round > 0) list.push(result); // the first only brings the file into the page cache
    }
  }
  return results;
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

function printLine(...[file, how, time, memory]) {
  console.log(file.padEnd(21) + how.padEnd(50) + time.padStart(9) + memory.padStart(10));
}

/** Prints a file's lines; returns how it misses the goals. */
function report({ name, mostTime = MOST_TIME }, results, weights) {
  const missed = [];
  const base = median(results.get(BASE).map(({ seconds }) => seconds));
  for (const [way, list] of results) {
    const time = median(list.map(({ seconds }) => seconds)) / base;
    const memory = median(list.map(({ peak }) => peak)) / weights;
    printLine(name, TITLES[way], time.toFixed(2), memory.toFixed(2));
    if (way !== OURS) continue;
    const packing = median(list.map(({ packSeconds }) => packSeconds)) / base;
    printLine("", "packing after it, for the processor", packing.toFixed(2), "");
    if (time > mostTime) missed.push(`${name}: ${time.toFixed(2)} x the time of reading`);
    if (memory > MOST_MEMORY) missed.push(`${name}: ${memory.toFixed(2)} x the weights' memory`);
    if (list.some(({ mapped }) => mapped)) missed.push(`${name}: the file stays mapped`);
  }
  return missed;
}

await reportingFailure(async () => {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "9" } } });
  await setUp();
  const env = { ...process.env, PYTHONPATH: await pythonPackages(), PYTHONDONTWRITEBYTECODE: "1" };
  const place = await makeFiles(env);
  const weights = statSync(path.join(place, "safetensors", "model.safetensors")).size;
  console.log(`medians of ${values.rounds} rounds; peak: resident memory above that before\n`);
  printLine("", "", "time", "peak");
  printLine("file", "how", "/ reading", "/ weights");
  const missed = [];
  for (const file of FILES) {
    const results = await measureAll(place, file, Number(values.rounds), env);
    missed.push(...report(file, results, weights));
  }
  const goals = `${MOST_TIME} x the time of reading, ${MOST_MEMORY} x the weights, no mapping left`;
  for (const line of missed) console.log(`MISSED ${line}`);
  console.log(`\n${missed.length === 0 ? "within" : "beyond"} the goals: ${goals}`);
  if (missed.length > 0) process.exitCode = 1;
});
