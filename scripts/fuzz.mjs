/**
 * Fuzzes what reads files that somebody else wrote: builds, makes first inputs, runs each fuzzer for a time.
 *
 *   npm run fuzz [-- --seconds N] [--target NAME]... [--planted | --keep]
 *
 *   --seconds   for each fuzzer (default 60)
 *   --target    only this one, safetensors for instance
 *   --planted   each must find the bugs of test/fuzz/planted.mjs, from good files on, within the time for each
 *   --keep      adds what reaches new code to test/fuzz/corpus
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { planted } from "../test/fuzz/planted.mjs";
import { wholeNumbers } from "./checks/whole-numbers.mjs";
import { BUILD, buildFuzzers, makeSeeds, SEEDS } from "./fuzz/build.mjs";
import { mergeCorpus, runFuzzer } from "./fuzz/libfuzzer.mjs";
import { buildPlanted } from "./fuzz/planted.mjs";
import { root, SetupError } from "./setup/project.mjs";
import { reportingFailure } from "./setup.mjs";

const JOBS = Math.min(2, os.availableParallelism());
const MEMORY = "/dev/shm"; // for small files that are written again and again
const FUZZ = path.join(root, "test", "fuzz");
const TARGETS = readdirSync(path.join(FUZZ, "targets")).map((file) => path.parse(file).name);

/** @typedef {Awaited<ReturnType<typeof runFuzzer>>} Result */

await reportingFailure(async () => {
  const { targets, seconds, plant, keep } = parseArguments();
  const scratch = mkdtempSync(
    path.join(existsSync(MEMORY) ? MEMORY : os.tmpdir(), "bertcnn-fuzz-"),
  );
  const env = { ...process.env, TMPDIR: scratch, UBSAN_OPTIONS: "print_stacktrace=1" };
  try {
    await makeSeeds();
    const good = plant
      ? await findPlanted(targets, seconds, env)
      : await fuzz(targets, seconds, keep, env);
    if (!good) process.exitCode = 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

function parseArguments() {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      target: { type: "string", multiple: true, default: TARGETS },
      planted: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
  });
  const { seconds } = wholeNumbers(values, { seconds: 1 });
  const unknown = values.target.find((name) => !TARGETS.includes(name));
  if (unknown) throw new SetupError(`--target is '${unknown}'; there are ${TARGETS.join(", ")}.`);
  return { targets: values.target, seconds, plant: values.planted, keep: values.keep };
}

/** @returns {Promise<boolean>} whether there is no finding */
async function fuzz(targets, seconds, keep, env) {
  const programOf = await buildFuzzers(root, path.join(BUILD, "build"));
  const results = await inTurn(targets, (target) =>
    runFuzzer({
      program: programOf(target),
      seconds,
      corpus: [place("corpus", target), path.join(SEEDS, target), ...keptCorpus(target)],
      findings: place("findings", target),
      dictionary: dictionaryOf(target),
      log: place("logs", `${target}.log`),
      env,
    }),
  );
  printTable(
    ["target", "executions", "a second", "edges", "of", "corpus", "finding"],
    targets.map((target, i) => {
      const { executions, perSecond, edges, allEdges, corpus, finding } = results[i];
      const counts = [executions, perSecond, edges, allEdges, corpus];
      return [
        target,
        ...counts.map((count) => count.toLocaleString("en")),
        finding ? "YES" : "none",
      ];
    }),
  );
  for (const [i, target] of targets.entries()) {
    if (results[i].finding) tellFinding(target, programOf(target), results[i].finding);
  }
  if (keep) for (const target of targets) await keepCorpus(target, programOf(target), env);
  return results.every(({ finding }) => finding === null);
}

/** @returns {Promise<boolean>} whether each was found */
async function findPlanted(targets, seconds, env) {
  const bugs = planted.filter(({ target }) => targets.includes(target));
  const programs = await buildPlanted(bugs);
  const results = await inTurn([...bugs.keys()], (i) => {
    const name = `${i}-${bugs[i].target}`;
    rmSync(place("planted", "corpus", name), { recursive: true, force: true });
    return runFuzzer({
      program: programs[i],
      seconds,
      corpus: [place("planted", "corpus", name), path.join(SEEDS, bugs[i].target, "good")],
      findings: place("planted", "findings", name),
      dictionary: dictionaryOf(bugs[i].target),
      log: place("planted", "logs", `${name}.log`),
      env,
    });
  });
  printTable(
    ["target", "planted bug", "found after", "executions", "by"],
    bugs.map(({ target, what }, i) => {
      const { executions, finding } = results[i];
      const time = finding ? `${results[i].seconds.toFixed(1)} s` : "NOT FOUND";
      return [
        target,
        what,
        time,
        executions.toLocaleString("en"),
        (finding?.reason ?? "").slice(0, 60),
      ];
    }),
  );
  return results.every(({ finding }) => finding?.reproducer);
}

/** Calls `work` for each item, for as many at a time as there are jobs. */
async function inTurn(items, work) {
  const results = [];
  const waiting = items.entries();
  const worker = async () => {
    for (const [i, item] of waiting) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: JOBS }, worker));
  return results;
}

function place(...parts) {
  return path.join(BUILD, ...parts);
}

function dictionaryOf(target) {
  return path.join(FUZZ, "dictionaries", `${target}.dict`);
}

/** The kept inputs' folder, if there is one. */
function keptCorpus(target) {
  const folder = keptFolder(target);
  return existsSync(folder) ? [folder] : [];
}
function keptFolder(target) {
  return path.join(FUZZ, "corpus", target);
}

function tellFinding(target, program, { reason, reproducer }) {
  console.log(
    `\n${target}: ${reason}\n    log: ${path.relative(root, place("logs", `${target}.log`))}`,
  );
  if (reproducer) {
    console.log(
      `    again: ${[program, reproducer].map((file) => path.relative(root, file)).join(" ")}`,
    );
  }
}

/** Those new inputs that reach what neither the seeds nor the kept ones do. */
async function keepCorpus(target, program, env) {
  const merged = place("merged", target);
  rmSync(merged, { recursive: true, force: true });
  for (const kind of ["good", "hostile"])
    cpSync(path.join(SEEDS, target, kind), merged, { recursive: true });
  for (const folder of keptCorpus(target)) cpSync(folder, merged, { recursive: true });
  const before = new Set(readdirSync(merged));
  await mergeCorpus(
    program,
    merged,
    place("corpus", target),
    place("logs", `${target}-merge.log`),
    env,
  );
  const added = readdirSync(merged).filter((name) => !before.has(name));
  for (const name of added) cpSync(path.join(merged, name), path.join(keptFolder(target), name));
  console.log(`${target}: ${added.length} inputs added to test/fuzz/corpus`);
}

function printTable(head, rows) {
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const isNumber = (column) => rows.every((row) => /^[\d,]*$/.test(row[column]));
  for (const line of lines) {
    const cells = line.map((cell, column) =>
      isNumber(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
    );
    console.log(cells.join("  ").trimEnd());
  }
}
