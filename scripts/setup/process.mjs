/** Child processes: quiet while all is well, with a progress line on a terminal and the log's end on failure. */
import { execFileSync, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, openSync } from "node:fs";
import path from "node:path";

import { sessionBegins, sessionEnds } from "./lock.mjs";
import { SetupError } from "./project.mjs";

const LINES_SHOWN_ON_FAILURE = 60;
/** How long a command may take to tidy up after a signal. */
const GRACE_MS = 5_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

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
 * Runs a long command. Asynchronous, so that a lock held meanwhile can show that its owner is alive. A signal that
 * ends this process ends the command first, with all that it has started.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ what: string, cwd?: string, env?: NodeJS.ProcessEnv, log?: string, verbose?: boolean }} options
 *   `what` names the step in the error; `log` is a file that keeps all the output
 * @returns {Promise<string>} standard output
 */
export function run(command, args, { what, cwd, env = process.env, log, verbose = false }) {
  return new Promise((resolve, reject) => {
    const file = log ? openLog(log) : null;
    // A session of its own: what it starts can be found, by a signal and by those who wait for our locks.
    const stdio = ["ignore", "pipe", "pipe"];
    listen(); // before: a signal between the command's start and this would leave it behind
    const child = spawn(command, args, { cwd, env, stdio, detached: true });
    let failure = null;
    const giveUp = (error) => {
      failure ??= error;
      signalGroup(child.pid, "SIGTERM");
    };
    file?.on("error", (error) => giveUp(Object.assign(error, { path: log })));
    try {
      if (child.pid) attend(child.pid);
      else stopListening();
    } catch (error) {
      giveUp(error);
    }
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
      if (child.pid) leave(child.pid);
      if (failure) {
        reject(failure);
        return;
      }
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

function openLog(log) {
  mkdirSync(path.dirname(log), { recursive: true });
  // Opened at once, so that a place where it can't be fails before anything runs.
  return createWriteStream(log, { fd: openSync(log, "w") });
}

/** The commands at work, by the PID of each, which is its group's and session's number too. */
const running = new Set();
/** The signal that is to end this process when they have ended. */
let fatal = null;

function listen() {
  if (running.size > 0) return;
  for (const signal of SIGNALS) process.on(signal, passOn);
  process.on("exit", endAll);
}

function stopListening() {
  if (running.size > 0) return;
  for (const signal of SIGNALS) process.off(signal, passOn);
  process.off("exit", endAll);
}

function attend(pid) {
  running.add(pid);
  sessionBegins(pid);
}

function leave(pid) {
  running.delete(pid);
  stopListening();
  if (running.size === 0 && fatal) process.kill(process.pid, fatal);
  sessionEnds(pid);
}

function passOn(signal) {
  // npm repeats what the terminal has sent already.
  if (fatal) return;
  fatal = signal;
  for (const pid of running) signalGroup(pid, signal);
  setTimeout(() => {
    for (const pid of running) signalGroup(pid, "SIGKILL");
    for (const pid of running) leave(pid);
  }, GRACE_MS).unref();
}

function endAll() {
  for (const pid of running) signalGroup(pid, "SIGTERM");
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
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
      process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns || 80) - 1)}`);
    },
    clear: () => process.stderr.write("\r\x1b[K"),
  };
}
