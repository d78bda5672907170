/** Disks that are full, folders that cannot be written to, files that change while they are read, processes killed. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { randomNumbers } from "../demo/ratings.mjs";
import { slowHub } from "../life/ends.mjs";
import { root } from "../setup/project.mjs";
import { killSetUps } from "./setting-up.mjs";

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const TINY = path.join(root, "test", "fixtures", "models", "tiny-bert");
const NOBODY = 65534;
const DISK = "24m"; // room for what is saved at first

/** Runs a program of this folder, which prints a JSON line; `prefix` is what runs it. */
function program(name, task, prefix = []) {
  const [command, ...args] = [...prefix, process.execPath, path.join(FOLDER, name)];
  const made = spawnSync(command, [...args, JSON.stringify({ directory: TINY, ...task })], {
    encoding: "utf8",
  });
  if (made.status === 0) return JSON.parse(made.stdout.trim().split("\n").at(-1));
  const end = String(made.signal ?? made.status);
  return { findings: [`the process ended (${end}): ${made.stderr.slice(-1500)}`] };
}

/** A file system of its own, which goes with its process. */
const ownDisk = (folder) => {
  const script = `mount -t tmpfs -o size=${DISK} bertcnn "$0" && exec "$@"`;
  return ["unshare", "-rm", "sh", "-c", script, folder];
};

const canMount = () => {
  const [command, ...args] = [...ownDisk(os.tmpdir()), "true"];
  return spawnSync(command, args).status === 0;
};

/** @returns {{ what: string, figures: string, findings: string[] }[]} */
function unwritable(scratch) {
  const folder = path.join(scratch, "disk");
  mkdirSync(folder);
  const seen = [];
  const note = (what, { refused = 0, findings }) => {
    seen.push({ what, figures: `${String(refused)} refused`, findings });
  };
  if (canMount()) {
    const full = {
      spoil: 'dd if=/dev/zero of="$FOLDER/ballast" bs=64k 2>/dev/null || true',
      mend: 'rm "$FOLDER/ballast"',
    };
    note(
      "a full disk",
      program("disk.mjs", { folder, codes: ["ERR_IO"], ...full }, ownDisk(folder)),
    );
    const readOnly = {
      spoil: 'mount -o remount,ro "$FOLDER"',
      mend: 'mount -o remount,rw "$FOLDER"',
    };
    note(
      "a read-only disk",
      program("disk.mjs", { folder, codes: ["ERR_IO"], ...readOnly }, ownDisk(folder)),
    );
  } else {
    seen.push({
      what: "a full or read-only disk",
      figures: "left out: nobody may mount one here",
      findings: [],
    });
  }
  const denied = path.join(scratch, "denied");
  mkdirSync(denied);
  chmodSync(scratch, 0o755);
  const user = process.getuid() === 0 ? NOBODY : undefined;
  const spoil = 'chmod -R a-w "$FOLDER"';
  note(
    "permission denied",
    program("disk.mjs", { folder: denied, codes: ["ERR_IO"], spoil, user }),
  );
  return seen;
}

function changing(scratch, times, seed) {
  const folder = path.join(scratch, "changing");
  mkdirSync(folder);
  const log = path.join(scratch, "changing.log");
  const task = { scratch: folder, times, seed, longest: 8, log };
  const { counts = {}, findings } = program("vanishing.mjs", task);
  if (findings.length > 0 && existsSync(log)) findings.push(`at ${readFileSync(log, "utf8")}`);
  const figures = Object.entries(counts).map(([what, count]) => `${String(count)} ${what}`);
  return [{ what: "files that vanish or shrink", figures: figures.join(", "), findings }];
}

/** `gone`: what the process printed, once it has ended. */
function start(task, env) {
  const child = spawn(process.execPath, [path.join(FOLDER, "saving.mjs"), JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  let printed = "";
  child.stdout.on("data", (data) => (printed += data));
  return { child, gone: new Promise((resolve) => child.on("close", () => resolve(printed))) };
}

async function killed(what, scratch, times, random, env) {
  const folder = path.join(scratch, what.replaceAll(" ", "-"));
  mkdirSync(folder);
  const marks = `${folder}.marks`;
  const findings = [];
  let [hits, old] = [0, 0];
  for (let i = 0; i < times; i++) {
    if (what === "download") rmSync(folder, { recursive: true, force: true });
    rmSync(marks, { force: true });
    const task = { what, directory: TINY, folder, marks };
    const { child, gone } = start(task, env);
    const early = gone.then(() => true);
    while (!existsSync(marks)) {
      if (await Promise.race([early, sleep(1, false)])) throw new Error(await gone);
    }
    await sleep(random() * (what === "download" ? 300 : 60));
    child.kill("SIGKILL");
    await gone;
    const text = readFileSync(marks, "utf8");
    const count = (letter) => text.split(letter).length - 1;
    if (count("s") > count("S")) hits++;
    // Not by a call that waits: the hub is this process.
    const made = JSON.parse(await start({ ...task, check: true }, env).gone);
    if (made.logits === null) old++;
    else if (!made.expected.some((one) => JSON.stringify(one) === JSON.stringify(made.logits))) {
      findings.push(`kill ${String(i)}: what is there is neither the old nor the new`);
    }
    if (what === "download") continue;
    const left = readdirSync(folder).filter((name) => !/^(model|weights\.safetensors)$/.test(name));
    if (left.length > 0) findings.push(`kill ${String(i)}: ${left.join()} is left behind`);
  }
  if (2 * hits < times) findings.push(`only ${String(hits)} of ${String(times)} kills hit one`);
  const figures = `${String(hits)} of ${String(times)} kills in the middle, ${String(old)} before the first`;
  return [{ what: `killed: ${what}`, figures, findings }];
}

/**
 * @param {{ kills: number, changes: number, seed: number }} amounts
 * @returns {Promise<{ what: string, figures: string, findings: string[] }[]>}
 */
export async function spoilFiles({ kills, changes, seed }) {
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-files-"));
  const random = randomNumbers(seed);
  const hub = await slowHub();
  const env = { HF_ENDPOINT: hub.endpoint };
  try {
    return [
      ...unwritable(scratch),
      ...changing(scratch, changes, seed),
      ...(await killed("save a model", scratch, kills, random, env)),
      ...(await killed("save weights", scratch, kills, random, env)),
      ...(await killed("download", scratch, kills, random, env)),
      ...(await killSetUps(scratch, Math.ceil(kills / 3), random)), // each takes a while
    ];
  } finally {
    hub.close();
    spawnSync("chmod", ["-R", "u+w", scratch]);
    rmSync(scratch, { recursive: true, force: true });
  }
}
