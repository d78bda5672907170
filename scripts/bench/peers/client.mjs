/** The benchmark's side of the protocol: a contender's process, asked by JSON lines and answered by them. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const LAST_WORDS = 2000; // characters of its standard error that are kept

/** What a contender answers in place of a result, or that its process has ended. */
export class PeerError extends Error {
  /** @param {string} message @param {string | undefined} code */
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/** Finds the replies in what a process writes: whole lines that are JSON objects. Libraries may print others. */
export class ReplyReader {
  #rest = "";

  /** @param {string} chunk @returns {object[]} */
  read(chunk) {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop();
    return lines.flatMap((line) => {
      const reply = parse(line);
      return reply === null ? [] : [reply];
    });
  }
}

function parse(line) {
  if (!line.startsWith("{")) return null;
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** A contender's process. It answers one request at a time. */
export class PeerProcess {
  #reader = new ReplyReader();
  #waiting = null;
  #lastWords = "";
  #ended = null;

  /** @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} env */
  constructor(command, args, env) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env });
    this.child.stdout.setEncoding("utf8").on("data", (chunk) => {
      for (const reply of this.#reader.read(chunk)) this.#settle(reply);
    });
    this.child.stderr.setEncoding("utf8").on("data", (chunk) => {
      this.#lastWords = (this.#lastWords + chunk).slice(-LAST_WORDS);
    });
    this.child.stdin.on("error", () => {}); // it has ended: "close" tells
    this.child.on("error", (error) => this.#end(error.message));
    this.child.on("close", (code, signal) => {
      const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`;
      this.#end(`its process ${how}: ${this.#lastWords.trim().split("\n").at(-1) ?? ""}`);
    });
  }

  get pid() {
    return this.child.pid;
  }

  /** @param {object} request @returns {Promise<any>} */
  ask(request) {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(new PeerError(this.#ended));
        return;
      }
      this.#waiting = { resolve, reject };
      this.child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Ends it; resolves when it is gone. */
  async end() {
    if (this.#ended) return;
    const gone = new Promise((resolve) => this.child.once("close", resolve));
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 5000);
    await gone;
    clearTimeout(timer);
  }

  #settle(reply) {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (reply.error === undefined) waiting?.resolve(reply);
    else waiting?.reject(new PeerError(reply.error, reply.code));
  }

  #end(message) {
    this.#ended ??= message;
    this.#waiting?.reject(new PeerError(message));
    this.#waiting = null;
  }
}

/** A field of a process's status, in bytes: "VmRSS", "VmHWM". */
export function memoryOf(pid, field) {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)[1]) * 1024;
}

/** Memory that programs can have without swapping, in bytes. */
export function freeMemory() {
  const text = readFileSync("/proc/meminfo", "utf8");
  return Number(/^MemAvailable:\s+(\d+) kB/m.exec(text)[1]) * 1024;
}

/** From here on "VmHWM" is the peak since now. */
export function forgetPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Clock ticks that a process has used so far, all threads together. */
export function ticksOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Clock ticks in which this machine's processors did something. */
export function busyTicks() {
  const [, user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "utf8")
    .split("\n")[0]
    .split(/\s+/);
  return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks), 0);
}
