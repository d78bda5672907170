/**
 * Kills training runs at random moments and goes on with them: `npm run test:resume [-- --kills 20 --seed 1]`. Each must
 * end with the weights, bit for bit, and the log of a run that nobody killed; so must one whose disk was full. Prints
 * what was in flight at each kill; fails where fewer than half hit a step or a checkpoint.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { randomNumbers } from "./demo/ratings.mjs";
import { reportingFailure, setUp } from "./setup.mjs";

const TRAIN = fileURLToPath(new URL("resume/train.mjs", import.meta.url));

/** Starts a run. `ended` gives its exit code and signal. */
function start(folder, marks, mode) {
  const child = spawn(process.execPath, [TRAIN, folder, marks, mode], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (data) => (errors += data));
  const ended = new Promise((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, errors }));
  });
  return { child, ended };
}

async function complete(folder, marks, mode) {
  const { code, errors } = await start(folder, marks, mode).ended;
  if (code !== 0) throw new Error(`The run ended with ${code}:\n${errors}`);
}

/** The moment of the first step, from which on a run is worth killing. */
async function firstStep(marks, run) {
  const ended = run.ended.then(() => true);
  while (!existsSync(marks) || readFileSync(marks, "utf8") === "") {
    if (await Promise.race([ended, sleep(2, false)])) return;
  }
}

/** @returns {"checkpoint" | "step" | "between"} what had begun and not ended */
function inFlight(marks) {
  const text = readFileSync(marks, "utf8");
  const count = (letter) => text.split(letter).length - 1;
  if (count("c") > count("C")) return "checkpoint";
  return count("s") > count("S") ? "step" : "between";
}

/** The hash of the final weights, and the log without times. */
function outcome(folder) {
  const weights = readFileSync(path.join(folder, "model.safetensors"));
  const log = readFileSync(path.join(folder, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.stringify({ ...JSON.parse(line), seconds: null }));
  return {
    weights: createHash("sha256").update(weights).digest("hex"),
    log: createHash("sha256").update(log.join("\n")).digest("hex"),
    lines: log.length,
  };
}

/** Kills a run up to `times` times, and lets it come to its end. */
async function killedRun(scratch, moments) {
  const folder = path.join(scratch, "killed");
  rmSync(folder, { recursive: true, force: true });
  const hits = [];
  for (const moment of moments) {
    const marks = path.join(scratch, "marks");
    rmSync(marks, { force: true });
    const run = start(folder, marks, "resume");
    await firstStep(marks, run);
    await sleep(moment);
    run.child.kill("SIGKILL");
    const { signal, code, errors } = await run.ended;
    if (signal !== "SIGKILL" && code !== 0)
      throw new Error(`The run ended with ${code}:\n${errors}`);
    hits.push(signal === "SIGKILL" ? inFlight(marks) : "ended before");
  }
  await complete(folder, path.join(scratch, "marks"), "resume");
  return { folder, hits };
}

const NO_MOUNT = 77; // an exit code that nothing else here has
/** Trains on a file system of its own, which is too small and then is not. */
const ON_SMALL_DISK = `
size=$1 disk=$2 node=$3 train=$4 marks=$5 results=$6
mount -t tmpfs -o "size=$size" bertcnn "$disk" || exit ${NO_MOUNT}
run() { "$node" "$train" "$disk/run" "$marks" "$1"; echo "$1 ended with $?"; ls -A "$disk/run"; }
run anew
mount -o remount,size=1g "$disk"
run resume
cp "$disk/run/model.safetensors" "$disk/run/metrics.jsonl" "$results"
`;

/**
 * A disk that is full when the third checkpoint is written. Needs a system that lets its users mount.
 * @returns {Promise<{ folder: string, text: string, errors: string } | null>} null: it does not
 */
async function onSmallDisk(scratch, bytes) {
  const [disk, folder] = [path.join(scratch, "disk"), path.join(scratch, "disk-results")];
  for (const made of [disk, folder]) mkdirSync(made);
  const marks = path.join(scratch, "disk-marks");
  const args = [String(bytes), disk, process.execPath, TRAIN, marks, folder];
  const child = spawn("unshare", ["-rm", "sh", "-c", ON_SMALL_DISK, "sh", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [text, errors] = ["", ""];
  child.stdout.on("data", (data) => (text += data));
  child.stderr.on("data", (data) => (errors += data));
  const code = await new Promise((resolve) => {
    child.on("error", () => resolve(NO_MOUNT));
    child.on("close", resolve);
  });
  if (code === NO_MOUNT || /^unshare:/m.test(errors)) return null;
  return { folder, text, errors };
}

async function checkSmallDisk(scratch, whole, expected, check) {
  const [checkpoint] = readdirSync(whole).filter((name) => name.startsWith("checkpoint-"));
  const state = path.join(whole, checkpoint, "training_state.safetensors");
  const made = await onSmallDisk(scratch, Math.round(2.7 * statSync(state).size));
  if (made === null) {
    console.log("left out: a full disk, since nobody may mount one here");
    return;
  }
  const [before] = made.text.split("resume ended");
  const told = /code: 'ERR_IO'/.test(made.errors) && /checkpoint-\d+/.test(made.errors);
  check(told && /^anew ended with 1$/m.test(before), "a full disk ends the run, by name");
  const left = before.split("\n").filter((name) => name.startsWith("checkpoint-"));
  check(left.length > 0 && !/^\./m.test(before), `it leaves ${left.join(", ")} and nothing else`);
  const equal = JSON.stringify(outcome(made.folder)) === JSON.stringify(expected);
  check(equal, "with room again the run goes on to the same weights and log");
}

await reportingFailure(async () => {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() % 1e6) },
    },
  });
  await setUp();
  const [kills, seed] = [Number(values.kills), Number(values.seed)];
  const random = randomNumbers(seed);
  console.log(`seed ${seed}`);
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-resume-"));
  let failed = 0;
  const check = (holds, title) => {
    if (!holds) failed++;
    console.log(`${holds ? "ok    " : "FAILED"} ${title}`);
  };
  try {
    const whole = path.join(scratch, "whole");
    const marks = path.join(scratch, "whole-marks");
    const run = start(whole, marks, "anew");
    await firstStep(marks, run);
    const begin = performance.now();
    const { code, errors } = await run.ended;
    if (code !== 0) throw new Error(`The run ended with ${code}:\n${errors}`);
    const duration = performance.now() - begin;
    const expected = outcome(whole);
    const again = path.join(scratch, "again");
    await complete(again, path.join(scratch, "again-marks"), "anew");
    check(
      JSON.stringify(outcome(again)) === JSON.stringify(expected),
      `two runs that nobody kills are equal (${expected.lines} lines of log)`,
    );

    await checkSmallDisk(scratch, whole, expected, check);

    const hits = { checkpoint: 0, step: 0, between: 0, "ended before": 0 };
    for (let done = 0; done < kills;) {
      // One to three kills a run: what was resumed is killed too.
      const times = Math.min(kills - done, 1 + Math.floor(random() * 3));
      const moments = Array.from({ length: times }, () => (random() * 0.9 * duration) / times);
      const { folder, hits: hit } = await killedRun(scratch, moments);
      const equal = JSON.stringify(outcome(folder)) === JSON.stringify(expected);
      check(equal, `killed ${times} x, in flight: ${hit.join(", ")}; weights and log are equal`);
      const left = readdirSync(folder).filter((name) => name.startsWith("."));
      check(left.length === 0, `nothing half-written is left ${left.join()}`);
      for (const what of hit) hits[what]++;
      done += times;
    }
    const caught = hits.checkpoint + hits.step;
    check(
      2 * caught >= kills,
      `${caught} of ${kills} kills hit a step (${hits.step}) or a checkpoint (${hits.checkpoint}) in flight`,
    );
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  if (failed > 0) process.exitCode = 1;
  console.log(failed === 0 ? "all runs ended alike" : `${failed} checks failed`);
});
