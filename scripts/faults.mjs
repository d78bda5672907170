/**
 * Lets things fail that do not fail by themselves: `npm run test:faults [-- --every N --kills N --seed N --only NAME]`.
 *
 * `files`: the disk is full, read-only, or not ours to write to; files vanish or shrink while they are loaded; the
 * process is killed while it saves or downloads. Errors have their code, what was there stays, the next run works.
 *
 * The rest: in an addon built for it, each piece of memory that it takes is refused, one after another (with `--every`, each N-th):
 * of tensors and of its own containers, once and for good; and an exception is thrown in each native stage. The call
 * must reject with ERR_OUT_OF_MEMORY, or with the exception's message, or must resolve rightly; afterwards weights,
 * optimizer and files must be all old or all new, and the model must go on. Prints how many calls rejected and resolved.
 *
 * Each scenario has a process of its own; one that ends is told. `--planted` plants mistakes that must be noticed.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { asText } from "./bench/peers/table.mjs";
import { wholeNumbers } from "./checks/whole-numbers.mjs";
import { spoilFiles } from "./faults/files.mjs";
import { SCENARIOS } from "./faults/scenarios.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { buildOtherAddon } from "./setup/addon.mjs";
import { SetupError } from "./setup/project.mjs";

const CHILD = fileURLToPath(new URL("faults/child.mjs", import.meta.url));
const FILES = "files";
const LIMIT = 20 * 60 * 1000; // milliseconds, of a child

await reportingFailure(async () => {
  const { every, kills, seed, only, planted } = readArguments();
  const libtorch = await setUp();
  if (!planted && (only === undefined || only === FILES)) {
    tellFiles(await spoilFiles({ kills, changes: 10 * kills, seed }));
  }
  if (only === FILES) return;
  const addon = await buildOtherAddon(libtorch, "faults", { BERTCNN_FAULTS: "ON" });
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-faults-"));
  try {
    const call = (scenario, more) => run({ addon, scenario, every, seed, ...more }, scratch);
    if (planted) await findPlanted(call);
    else await runAll(only ? [only] : Object.keys(SCENARIOS), call);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

function readArguments() {
  const { values } = parseArgs({
    options: {
      every: { type: "string", default: "1" },
      kills: { type: "string", default: "20" },
      seed: { type: "string", default: "0" },
      only: { type: "string" },
      planted: { type: "boolean", default: false },
    },
  });
  const numbers = wholeNumbers(values, { every: 1, kills: 1, seed: 0 });
  const names = [FILES, ...Object.keys(SCENARIOS)];
  if (values.only !== undefined && !names.includes(values.only)) {
    throw new SetupError(`--only: there is no '${values.only}', but ${names.join("; ")}`);
  }
  return { ...numbers, only: values.only, planted: values.planted };
}

function tellFiles(seen) {
  for (const { what, findings } of seen) {
    for (const finding of findings) console.log(`FAILED: ${what}: ${finding}`);
    if (findings.length > 0) process.exitCode = 1;
  }
  console.log(
    asText({ head: ["files", ""], rows: seen.map(({ what, figures }) => [what, figures]) }),
  );
}

/** Several at once: they wait for each other's threads less than for their own. */
async function runAll(names, call) {
  const left = [...names];
  const rows = [];
  let findings = 0;
  const work = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const { results, findings: found } = await call(name);
      findings += found.length;
      for (const finding of found) console.log(`FAILED: ${name}: ${finding}`);
      rows.push([names.indexOf(name), ...summarize(name, results)]);
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, work));
  rows.sort(([one], [other]) => one - other);
  const head = ["while", "memory", "tensors", "stages", "rejected", "resolved"];
  console.log(asText({ head, rows: rows.map(([, ...row]) => row) }));
  const total = rows.reduce((sum, row) => sum + Number(row[5]) + Number(row[6]), 0);
  console.log(`${String(total)} failures planted, ${String(findings)} findings`);
  if (findings > 0) process.exitCode = 1;
}

function summarize(name, results) {
  const sum = (chosen, field) =>
    results.filter(chosen).reduce((total, result) => total + result[field], 0);
  const failed = (chosen) => String(sum(chosen, "rejected") + sum(chosen, "resolved"));
  const all = () => true;
  return [
    name,
    failed(({ kind }) => kind === "memory"),
    failed(({ kind }) => kind === "tensor"),
    failed(({ kind }) => kind !== "memory" && kind !== "tensor"),
    String(sum(all, "rejected")),
    String(sum(all, "resolved")),
  ];
}

/** @returns {Promise<{ results: object[], findings: string[] }>} */
function run(task, scratch) {
  const [log, last] = ["log", "last"].map((name) =>
    path.join(scratch, `${task.scenario.replaceAll(/[^a-z0-9]+/gi, "-")}.${name}`),
  );
  rmSync(log, { force: true });
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CHILD, JSON.stringify({ ...task, log, last })], {
      stdio: ["ignore", "inherit", "pipe"],
      timeout: LIMIT,
      env: { ...process.env, OMP_NUM_THREADS: "1" },
    });
    let errors = "";
    child.stderr.on("data", (data) => (errors += data));
    child.on("close", (code, signal) => {
      if (code === 0 && existsSync(log)) return resolve(JSON.parse(readFileSync(log, "utf8")));
      const where = existsSync(last) ? readFileSync(last, "utf8") : "its start";
      const end = signal ?? `exit code ${String(code)}`;
      const finding = `the process ended (${end}) at ${where}: ${errors.trim().slice(-1500)}`;
      return resolve({ results: [], findings: [finding] });
    });
  });
}

async function findPlanted(call) {
  for (const plant of ["changed", "crash"]) {
    const { findings } = await call("train step", { plant, every: 50 });
    const seen = findings.length > 0;
    console.log(
      `${seen ? "ok" : "FAILED"}: a planted ${plant === "crash" ? plant : "step"} is noticed`,
    );
    if (!seen) process.exitCode = 1;
  }
}
