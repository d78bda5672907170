/**
 * Texts a second of this tokenizer beside Hugging Face's in Rust (from Python) and in JavaScript: `npm run
 * bench:tokenizer`. Each has a process of its own, all on one and the same processor; they take turns, and medians of
 * processor time count (of all threads, garbage collection too), so that other programs' work plays little part.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { minilm, ratings } from "../assets.mjs";
import { reportingFailure, setUp } from "../setup.mjs";
import { huggingFaceTokenizers, mails } from "../setup/npm-package.mjs";
import { output } from "../setup/process.mjs";
import { SetupError } from "../setup/project.mjs";
import { pythonPackages } from "../setup/python.mjs";

const FOLDER = path.join(path.dirname(fileURLToPath(import.meta.url)), "tokenizer");
const EVERY = 8; // of the mails; Hugging Face's take seconds for these
const GOAL = 10;

const { values } = parseArgs({ options: { repetitions: { type: "string", default: "7" } } });

/** A process that answers line by line. */
class Worker {
  constructor(command, args, env = process.env) {
    this.child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** @returns {Promise<[number, number, number]>} milliseconds, those of processor time, and tokens */
  async ask(corpus, way) {
    this.child.stdin.write(`${corpus} ${way}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new SetupError(`the process for ${way} ended`);
    return JSON.parse(value);
  }

  end() {
    this.child.stdin.end();
  }
}

async function readCorpora() {
  const text = readFileSync(
    path.join(await ratings(), "movieReviewSnippets_GroundTruth.txt"),
    "utf8",
  );
  const movies = text.split(/\r?\n/).map((line) => line.split("\t")[2]);
  const folder = path.join(await mails(), "data");
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".txt"));
  const chosen = files.sort().filter((_, index) => index % EVERY === 0);
  return {
    movies: movies.filter((sentence) => sentence !== undefined),
    mails: chosen.map((name) => readFileSync(path.join(folder, name), "utf8")),
  };
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** The last processor that this process may use. */
function onlyProcessor() {
  const list = output("taskset", ["-cp", String(process.pid)]);
  if (list === null)
    throw new SetupError("taskset is missing (Debian: apt-get install -y util-linux)");
  return list.match(/(\d+)\s*$/)[1];
}

async function startWorkers(corpora, folder) {
  const file = path.join(folder, "corpora.json");
  writeFileSync(file, JSON.stringify(corpora));
  const directory = await minilm();
  const cpu = onlyProcessor();
  const python = { ...process.env, PYTHONPATH: await pythonPackages() };
  const inputs = (name) => [path.join(FOLDER, name), file, directory];
  const pinned = (args, env) => new Worker("taskset", ["-c", cpu, ...args], env);
  return {
    ours: pinned([process.execPath, ...inputs("ours.mjs")]),
    rust: pinned(["python3", ...inputs("rust.py")], python),
    javascript: pinned([
      process.execPath,
      ...inputs("javascript.mjs"),
      await huggingFaceTokenizers(),
    ]),
    free: new Worker(process.execPath, inputs("ours.mjs")),
  };
}

/** What is timed: title, worker, way. The first two are ours on one processor, then come the peers, then more of ours. */
const CONTENDERS = [
  ["bertcnn encode", "ours", "encode"],
  ["bertcnn encodeBatch, 256 texts a call", "ours", "encodeBatch"],
  ["Hugging Face, Rust, encode", "rust", "encode"],
  ["Hugging Face, Rust, encode_batch, 256 a call", "rust", "encode_batch"],
  ["Hugging Face, Rust, encode_batch, all in a call", "rust", "encode_all"],
  ["Hugging Face, JavaScript, encode", "javascript", "encode"],
  ["bertcnn encodeBatch, all in a call", "ours", "encodeAll"],
  ["bertcnn encodeBatch, all processors, elapsed", "free", "encodeAll"],
];
const OURS = 2;
const PEERS = 4;

/** Texts a second of each contender. */
async function measure(workers, corpus, texts) {
  const times = CONTENDERS.map(() => []);
  let expected = null;
  for (let repetition = -1; repetition < Number(values.repetitions); repetition++) {
    for (const [index, [title, worker, way]] of CONTENDERS.entries()) {
      const [elapsed, used, tokens] = await workers[worker].ask(corpus, way);
      // The first is to warm up.
      if (repetition >= 0) times[index].push(worker === "free" ? elapsed : used);
      expected ??= tokens;
      if (tokens !== expected && repetition === 0) {
        console.log(`note: ${title} makes ${tokens} tokens of the ${corpus}, not ${expected}`);
      }
    }
  }
  return times.map((each) => (1000 * texts.length) / median(each));
}

function print(corpus, texts, speeds) {
  const characters = texts.reduce((sum, text) => sum + text.length, 0) / texts.length;
  const width = Math.max(...CONTENDERS.map(([title]) => title.length));
  console.log(
    `\n${corpus}: ${texts.length} texts of ${Math.round(characters)} characters in the mean`,
  );
  const head = ["texts/s", "encode is", "encodeBatch is"];
  console.log(`${"".padEnd(width)}${head.map((name) => name.padStart(16)).join("")}`);
  for (const [index, [title]] of CONTENDERS.entries()) {
    const ratios = [0, 1].map((ours) => `${(speeds[ours] / speeds[index]).toFixed(1)}x`);
    const cells = [speeds[index].toFixed(0), ...ratios].map((cell) => cell.padStart(16));
    console.log(`${title.padEnd(width)}${cells.join("")}`);
  }
  const peers = Math.max(...speeds.slice(OURS, OURS + PEERS));
  return Math.min(...speeds.slice(0, OURS)) / peers;
}

await reportingFailure(async () => {
  await setUp();
  const corpora = await readCorpora();
  const folder = mkdtempSync(path.join(os.tmpdir(), "bertcnn-bench-"));
  try {
    const workers = await startWorkers(corpora, folder);
    let least = Infinity;
    for (const [corpus, texts] of Object.entries(corpora)) {
      least = Math.min(least, print(corpus, texts, await measure(workers, corpus, texts)));
    }
    console.log(
      "\nlongest delay of the event loop, ms, while encodeBatch works and in an idle process",
    );
    for (const corpus of Object.keys(corpora)) {
      const [, , busy] = await workers.free.ask(corpus, "delay");
      const [, , idle] = await workers.free.ask(corpus, "idle");
      console.log(`  ${corpus}: ${busy.toFixed(1)}, ${idle.toFixed(1)}`);
    }
    console.log(`least ratio to the fastest peer: ${least.toFixed(1)} (goal: ${GOAL})`);
    for (const worker of Object.values(workers)) worker.end();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
