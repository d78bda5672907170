/**
 * What becomes of the process and its threads: `npm run test:life [-- --moments 200 --workers 500 --seed 1 --only PART]`.
 *
 * - `ends`: process.exit(), an uncaught error, SIGTERM and the end of the event loop, each at `--moments` random moments
 *   while predictions, training steps, loading and downloads are under way, with the model disposed or not. Exit codes
 *   are Node's, nothing is printed that Node would not print, nothing hangs. Tells how often work was really under way.
 * - `threads`: `--workers` workers terminated while they load and predict; four at once; other realms.
 * - `processes`: cluster and child_process.fork.
 * - `neighbours`: onnxruntime-node and sharp in the same process, loaded before and after.
 * - `collection`: models that nobody disposes are collected.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { minilm } from "./assets.mjs";
import { asText } from "./bench/peers/table.mjs";
import { equal, must, shows } from "./checks/steps.mjs";
import { wholeNumbers } from "./checks/whole-numbers.mjs";
import { randomNumbers } from "./demo/ratings.mjs";
import { ENDS, endAll, slowHub, WORKS } from "./life/ends.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { cacheDirectory, makeOnce } from "./setup/cache.mjs";
import { root, say, SetupError } from "./setup/project.mjs";

const FOLDER = fileURLToPath(new URL("life", import.meta.url));
const TINY = path.join(root, "test", "fixtures", "models", "tiny-bert");
const LONGEST_MOMENT = 250; // milliseconds from the work's beginning to the end
const PARTS = { ends, threads, processes, neighbours, collection };

await reportingFailure(async () => {
  const options = readArguments();
  await setUp();
  for (const name of options.parts) await PARTS[name](options);
});

function readArguments() {
  const { values } = parseArgs({
    options: {
      moments: { type: "string", default: "200" },
      workers: { type: "string", default: "500" },
      seed: { type: "string", default: "1" },
      only: { type: "string", default: Object.keys(PARTS).join() },
    },
  });
  const numbers = wholeNumbers(values, { moments: 1, workers: 1, seed: 0 });
  const parts = values.only.split(",");
  const unknown = parts.find((part) => !(part in PARTS));
  if (unknown !== undefined) {
    throw new SetupError(`--only: there is no '${unknown}', but ${Object.keys(PARTS).join(", ")}`);
  }
  return { ...numbers, parts };
}

// ---- the process's end

async function ends({ moments, seed }) {
  const encoder = await minilm();
  const random = randomNumbers(seed);
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-life-"));
  const tasks = [];
  for (const work of WORKS) {
    for (const end of Object.keys(ENDS)) {
      for (const stop of [false, true]) {
        for (let i = 0; i < moments; i++) {
          const place = path.join(scratch, String(tasks.length));
          const moment = random() * LONGEST_MOMENT;
          tasks.push({ work, end, stop, moment, encoder, scratch: place });
        }
      }
    }
  }
  const hub = await slowHub();
  const counts = new Map();
  try {
    await endAll(tasks, { HF_ENDPOINT: hub.endpoint }, (task, { finding, hit, seconds }) => {
      const key = [task.work, task.end, task.stop ? "yes" : "no"].join("\t");
      const count = counts.get(key) ?? { all: 0, hits: 0, findings: 0, longest: 0 };
      counts.set(key, count);
      count.all++;
      count.hits += hit ? 1 : 0;
      count.longest = Math.max(count.longest, seconds);
      if (finding === null) return;
      count.findings++;
      console.log(
        `FAILED: ${key.replaceAll("\t", ", ")} at ${task.moment.toFixed(1)} ms: ${finding}`,
      );
    });
  } finally {
    hub.close();
    rmSync(scratch, { recursive: true, force: true });
  }
  tellEnds(counts);
}

function tellEnds(counts) {
  const rows = [...counts].map(([key, { all, hits, findings, longest }]) => [
    ...key.split("\t"),
    ...[all, hits, findings].map(String),
    longest.toFixed(2),
  ]);
  const head = ["while", "end", "disposed", "times", "hit work", "wrong", "longest, s"];
  console.log(asText({ head, rows }));
  const sum = (field) => [...counts.values()].reduce((total, count) => total + count[field], 0);
  const share = sum("hits") / sum("all");
  const wrong = sum("findings");
  console.log(
    `${String(sum("all"))} processes ended, ${(100 * share).toFixed(0)} % with work under way, ` +
      `${String(wrong)} wrongly`,
  );
  if (wrong > 0) process.exitCode = 1;
  for (const [key, { all, hits }] of counts) {
    if (hits >= all / 2) continue;
    console.log(
      `FAILED: ${key.replaceAll("\t", ", ")}: work was under way only ${String(hits)} times`,
    );
    process.exitCode = 1;
  }
}

// ---- threads, processes, neighbours

/** Runs a program of scripts/life, which prints a JSON line. */
function program(name, task, options = {}) {
  const args = [...(options.flags ?? []), path.join(FOLDER, name), JSON.stringify(task)];
  const env = { ...process.env, ...options.env };
  return JSON.parse(must(process.execPath, args, { env }).trim().split("\n").at(-1));
}

async function threads({ workers, seed }) {
  const task = { directory: TINY, terminated: workers, seed };
  await shows("workers end in the middle, work at once, and other realms load the module", () => {
    const seen = program("threads.mjs", task);
    equal(seen.terminated, workers, "workers terminated");
    console.log(
      `    ${String(seen.terminated)} workers terminated, ${String(seen.loading)} while they loaded, ` +
        `${String(seen.predicting)} while they predicted; ${String(seen.workers)} at once; ${String(seen.realms)} realms`,
    );
    if (seen.loading + seen.predicting < workers / 2)
      throw new Error("most were idle when they ended");
  });
}

async function processes() {
  await shows("cluster workers and forks predict the same", () => {
    const { logits } = program("processes.mjs", { directory: TINY });
    equal(new Set(logits.map((one) => JSON.stringify(one))).size, 1, "different logits");
    equal(logits.length, 5, "processes");
  });
}

async function neighbours() {
  const packages = await installNeighbours();
  for (const order of [
    ["bertcnn", "neighbours"],
    ["neighbours", "bertcnn"],
  ]) {
    await shows(
      `onnxruntime-node and sharp work beside it, loaded ${order[0] === "bertcnn" ? "after" : "before"} it`,
      () => {
        const alone = program("beside.mjs", { directory: TINY, packages, order: ["bertcnn"] });
        const beside = program("beside.mjs", { directory: TINY, packages, order });
        equal(JSON.stringify(beside.logits), JSON.stringify(alone.logits), "logits beside them");
        equal(beside.product, 6, "onnxruntime-node's product of 2 and 3");
        equal(beside.width, 8, "width of sharp's picture");
      },
    );
  }
}

/** Their packages, in the cache: no dependencies of this package. */
async function installNeighbours() {
  const place = path.join(cacheDirectory(), "npm", "life-neighbours");
  await makeOnce(place, (folder) => {
    say("fetching onnxruntime-node and sharp with npm");
    for (const name of ["package.json", "package-lock.json"]) {
      copyFileSync(path.join(FOLDER, "neighbours", name), path.join(folder, name));
    }
    // Without scripts: those of onnxruntime-node fetch CUDA libraries.
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder });
  });
  return path.join(place, "node_modules");
}

async function collection() {
  await shows("models, calls and tensors that nobody disposes are collected", () => {
    const seen = program("collection.mjs", { directory: TINY }, { flags: ["--expose-gc"] });
    equal(seen.collected, seen.models, "models collected");
    equal(seen.threads, 0, "threads that are left");
    console.log(`    ${String(seen.models)} models dropped, ${String(seen.collected)} collected`);
  });
  const encoder = await minilm();
  await shows("V8 knows what hangs on a model, and collects large ones in time", () => {
    const seen = program("collection.mjs", { encoder });
    console.log(
      `    ${String(seen.models)} models dropped, memory for ${seen.atOnce.toFixed(1)} of them at most`,
    );
    if (seen.atOnce > seen.models / 2) throw new Error("they were not collected in time");
  });
}
