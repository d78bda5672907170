/**
 * Builds everything for CUDA and runs on a card what cannot be checked without: parity by precision, memory, running
 * out of it, a soak, exits, and the benchmark. Prints one table; a row without card, date and commit reads NOT RUN.
 * The exit code is 0 only where every row was run and passed.
 *
 *     npm run check:gpu    or, without npm: scripts/check-gpu
 *
 * Needs Node, CMake, a C++ compiler, nvcc and a PyTorch 2.11 or later with CUDA (BERTCNN_LIBTORCH, set-up's cache, or
 * a Python installation's), and no network.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { asText } from "./bench/peers/table.mjs";
import { BUILD, buildGpuCheck } from "./gpu/build.mjs";
import { comparisonsOf, exitCodeOf, resultsIn, SECTIONS, tableOf } from "./gpu/rows.mjs";
import { findLocalLibtorch } from "./setup/libtorch.mjs";
import { output } from "./setup/process.mjs";
import { root } from "./setup/project.mjs";
import { reportingFailure } from "./setup.mjs";

const PROTOTYPE = fileURLToPath(new URL("gpu/prototype.py", import.meta.url));
const SECTION_LIMIT = 240_000; // milliseconds: one that hangs must not take the others with it
const NATIVE = ["parity", "memory", "out-of-memory", "speed", "soak"];

const card = findCard();
const results = [];
// Whatever fails below, the table says what was not run.
await reportingFailure(async () => {
  if (!card) {
    console.log("check:gpu: nvidia-smi finds no card here, so nothing is run.");
    return;
  }
  await runAll();
});
const place = { card, date: new Date().toISOString().slice(0, 10), commit: commitOf() };
const table = tableOf([...results, ...comparisonsOf(results)], place);
console.log(asText(table));
process.exitCode ||= exitCodeOf(table);

async function runAll() {
  const libtorch = await findLocalLibtorch({ variant: "cuda" });
  const program = await buildGpuCheck(libtorch);
  const models = path.join(BUILD, "models");
  mkdirSync(models, { recursive: true });
  let ended = 0;
  for (const section of NATIVE) {
    const { status } = take(section, program, [section, "cuda", models]);
    if (status === 0) ++ended;
  }
  for (const kind of ["eager", "sdpa", "compile"]) {
    take(`prototype ${kind}`, "python3", [PROTOTYPE, kind]);
  }
  const [row] = SECTIONS.exit;
  const [bound, relation] = [NATIVE.length, "at least"];
  results.push({ row, value: ended, bound, unit: "", relation, passed: ended === bound });
}

/** Runs a program and takes up the results that it prints. */
function take(name, program, args) {
  console.log(`running ${name}`);
  const child = spawnSync(program, args, { cwd: root, encoding: "utf8", timeout: SECTION_LIMIT });
  results.push(...resultsIn(child.stdout ?? ""));
  if (child.status !== 0) {
    const how = child.signal ? `was ended by ${child.signal}` : `ended with ${child.status}`;
    console.log(`${name} ${how}:\n${(child.stderr ?? String(child.error)).trimEnd()}`);
  }
  return child;
}

function findCard() {
  const query = ["--query-gpu=name", "--format=csv,noheader"];
  return output("nvidia-smi", query)?.split("\n")[0]?.trim() ?? "";
}

/** With a mark where files have changed since. */
function commitOf() {
  const commit = output("git", ["rev-parse", "--short", "HEAD"], { cwd: root }) ?? "";
  const changes = output("git", ["status", "--porcelain"], { cwd: root });
  return commit && changes ? `${commit}+` : commit;
}
