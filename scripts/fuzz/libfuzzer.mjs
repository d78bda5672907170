/** Runs one fuzzer and reads what libFuzzer tells. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import path from "node:path";

const LONGEST_INPUT = 8192; // bytes
const LONGEST_SECONDS = 20; // for one input; most take less than a millisecond
const MOST_MEGABYTES = 2048; // of the process; the fuzzers bound what a reader may allocate themselves

/**
 * @typedef {object} Findings
 * @property {number} executions
 * @property {number} perSecond
 * @property {number} edges that were reached
 * @property {number} allEdges
 * @property {number} corpus inputs that reach something of their own
 * @property {{ reason: string, reproducer: string | null } | null} finding
 */

/**
 * @param {object} options
 * @param {string} options.program
 * @param {number} options.seconds
 * @param {string[]} options.corpus folders of inputs; new ones are put into the first
 * @param {string} options.findings where a reproducer is put
 * @param {string} options.dictionary
 * @param {string} options.log
 * @param {NodeJS.ProcessEnv} options.env
 * @returns {Promise<Findings & { seconds: number }>}
 */
export async function runFuzzer({ program, seconds, corpus, findings, dictionary, log, env }) {
  for (const folder of [corpus[0], findings, path.dirname(log)])
    mkdirSync(folder, { recursive: true });
  const args = [
    `-max_total_time=${seconds}`,
    `-max_len=${LONGEST_INPUT}`,
    `-timeout=${LONGEST_SECONDS}`,
    `-report_slow_units=${LONGEST_SECONDS}`,
    `-rss_limit_mb=${MOST_MEGABYTES}`,
    `-artifact_prefix=${findings}${path.sep}`,
    `-dict=${dictionary}`,
    "-print_final_stats=1",
    ...corpus,
  ];
  const begin = performance.now();
  const status = await runLogged(program, args, log, env);
  const read = readLog(readFileSync(log, "latin1"));
  if (status !== 0) read.finding ??= { reason: `it ended with ${status}`, reproducer: null };
  return { ...read, seconds: (performance.now() - begin) / 1000 };
}

/**
 * Adds those inputs of `from` to `folder` that reach edges which none there does.
 *
 * @param {string} program
 * @param {string} folder
 * @param {string} from
 * @param {string} log
 * @param {NodeJS.ProcessEnv} env
 */
export async function mergeCorpus(program, folder, from, log, env) {
  // Without counters, which would have an input for each number of times that an edge is taken.
  const args = ["-merge=1", "-use_counters=0", `-max_len=${LONGEST_INPUT}`, folder, from];
  const status = await runLogged(program, args, log, env);
  if (status !== 0) throw new Error(`merging into ${folder} ended with ${status}; see ${log}`);
}

/** @returns {Promise<number | string>} the exit code, or the signal */
function runLogged(program, args, log, env) {
  const file = openSync(log, "w");
  const child = spawn(program, args, { stdio: ["ignore", file, file], env });
  closeSync(file);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(signal ?? code));
  });
}

/**
 * @param {string} text all that a fuzzer wrote
 * @returns {Findings}
 */
export function readLog(text) {
  const last = (/** @type {RegExp} */ pattern) =>
    Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
  const reproducer = /Test unit written to (.+)$/m.exec(text)?.[1] ?? null;
  return {
    executions: last(/^stat::number_of_executed_units:\s*(\d+)/gm),
    perSecond: last(/^stat::average_exec_per_sec:\s*(\d+)/gm),
    edges: last(/ cov: (\d+) /g),
    allEdges: last(/\((\d+) inline 8-bit counters\)/g),
    corpus: last(/ corp: (\d+)\//g),
    finding: reproducer === null ? null : { reason: reasonIn(text), reproducer },
  };
}

function reasonIn(text) {
  const patterns = [
    /^An invariant is broken: .*$/m,
    /^\d+ more bytes are \d+ in all, where \d+ are allowed$/m,
    /runtime error: .*$/m,
    /Assertion '.*' failed\.$/m,
    /terminate called after .*(\n.*what\(\): .*)?$/m,
    /(?<=^==\d+== ?ERROR: ).*$/m,
  ];
  const found = patterns.map((pattern) => pattern.exec(text)).find((match) => match !== null);
  return (found?.[0] ?? "see the log").replace(/\s+/g, " ").trim();
}
