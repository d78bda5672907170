/** Child processes: quiet while all is well, with a progress line on a terminal and the log's end on failure. */
import { execFileSync, spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import path from "node:path";

import { SetupError } from "./project.mjs";

const LINES_SHOWN_ON_FAILURE = 60;

/** Standard output of a short command, or null when it is missing or fails. */
export function output(command, args, options = {}) {
  try {
    return execFileSync(command, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      ...options,
    }).trim();
  } catch {
    return null;
  }
}

/**
 * Runs a long command. Asynchronous, so that a lock held meanwhile can show that its owner is alive.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ what: string, cwd?: string, env?: NodeJS.ProcessEnv, log?: string, verbose?: boolean }} options
 *   `what` names the step in the error; `log` is a file that keeps all the output
 * @returns {Promise<string>} standard output
 */
export function run(command, args, { what, cwd, env = process.env, log, verbose = false }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    if (log) mkdirSync(path.dirname(log), { recursive: true });
    const file = log ? createWriteStream(log) : null;
    const progress = progressLine(verbose);
    let stdout = "";
    let tail = "";
    const take = (chunk) => {
      file?.write(chunk);
      tail = (tail + chunk).slice(-65536);
      progress.update(chunk);
    };
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      stdout += chunk;
      take(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", take);
    child.on("error", (error) =>
      reject(new SetupError(`${what}: cannot start ${command}: ${error.message}`)),
    );
    child.on("close", (code, signal) => {
      file?.end();
      progress.clear();
      if (code === 0) {
        resolve(stdout);
        return;
      }
      if (!verbose) process.stderr.write(`${lastLines(tail, LINES_SHOWN_ON_FAILURE)}\n`);
      const how = signal ? `was ended by ${signal}` : `failed with exit code ${code}`;
      reject(new SetupError(`${what} ${how}${log ? `; its whole output is in ${log}` : ""}`));
    });
  });
}

function lastLines(text, count) {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

/** Shows the newest line of output in place on a terminal, everything when verbose, nothing otherwise. */
function progressLine(verbose) {
  if (verbose) return { update: (chunk) => process.stderr.write(chunk), clear() {} };
  if (!process.stderr.isTTY) return { update() {}, clear() {} };
  return {
    update(chunk) {
      const line =
        chunk
          .trimEnd()
          .split(/[\r\n]/)
          .at(-1) ?? "";
      process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
    },
    clear: () => process.stderr.write("\r\x1b[K"),
  };
}
