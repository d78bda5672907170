/**
 * The cache on disk, shared by every project of a user and so by set-ups that run at the same time or were
 * killed half way. An entry is made in a folder beside its final place and renamed when it is complete, so
 * that whatever has its final name works. A lock only keeps two set-ups from doing the same work.
 */
import { randomBytes } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { say } from "./project.mjs";

const HEARTBEAT_MS = 5_000;
/** An owner that cannot be asked (another container, another host) counts as gone after this silence. */
const SILENCE_MS = 60_000;
const POLL_MS = 200;

/** `BERTCNN_CACHE`, or `bertcnn` in the user's cache folder. */
export function cacheDirectory(env = process.env) {
  if (env.BERTCNN_CACHE) return path.resolve(env.BERTCNN_CACHE);
  const base = env.XDG_CACHE_HOME || path.join(env.HOME || os.homedir(), ".cache");
  return path.join(base, "bertcnn");
}

/**
 * Makes the folder `target` by `make(folder)`, unless it is there or another process makes it first.
 *
 * @param {string} target
 * @param {(folder: string) => Promise<void>} make fills an empty folder on the same file system
 */
export async function makeOnce(target, make) {
  await withLock(`${target}.lock`, async () => {
    removeLeftovers(target);
    if (existsSync(target)) return;
    const folder = `${target}.part-${selfIdentity()}-${randomBytes(4).toString("hex")}`;
    mkdirSync(folder, { recursive: true });
    const beat = setInterval(() => touch(folder), HEARTBEAT_MS);
    try {
      await make(folder);
      publish(folder, target);
    } finally {
      clearInterval(beat);
      rmSync(folder, { recursive: true, force: true });
      removeLeftovers(target);
    }
  });
}

/** Renames a complete folder to its final place; whoever is second keeps what the first put there. */
function publish(folder, target) {
  try {
    renameSync(folder, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  }
}

/**
 * Folders that a killed set-up left half filled. Its child processes may live on for a while and fill them
 * further; what can't be removed for that reason is removed the next time.
 */
function removeLeftovers(target) {
  const prefix = `${path.basename(target)}.part-`;
  for (const name of readdirSync(path.dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    const folder = path.join(path.dirname(target), name);
    const identity = name.slice(prefix.length).split("-").slice(0, -1).join("-");
    if (isAlive(identity, folder)) continue;
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== "ENOTEMPTY") throw error;
    }
  }
}

/**
 * Runs `action` while holding `file` as a lock. A lock whose owner is gone, killed with no chance to tidy up
 * included, is taken over.
 *
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withLock(file, action) {
  mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  while (!tryLock(file)) {
    const owner = readText(file);
    if (owner === null) continue;
    if (!isAlive(owner, file)) {
      takeAway(file, owner);
      continue;
    }
    if (!told) say(`another set-up is at work (${file}); waiting for it`);
    told = true;
    await sleep(POLL_MS);
  }
  const beat = setInterval(() => touch(file), HEARTBEAT_MS);
  beat.unref();
  try {
    return await action();
  } finally {
    clearInterval(beat);
    if (readText(file) === selfIdentity()) rmSync(file, { force: true });
  }
}

function tryLock(file) {
  // Written aside and linked into place: a lock that can be seen always names its owner.
  const draft = `${file}.${selfIdentity()}-${randomBytes(4).toString("hex")}`;
  writeFileSync(draft, selfIdentity());
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Removes a dead owner's lock. Two waiters may both have seen it dead; the rename tells which of them removes
 * it, and one that caught the other's new lock instead puts that back.
 */
function takeAway(file, deadOwner) {
  const aside = `${file}.${randomBytes(4).toString("hex")}.dead`;
  try {
    renameSync(file, aside);
    if (readText(aside) !== deadOwner) linkSync(aside, file);
  } catch {
    // Another waiter was faster.
  }
  rmSync(aside, { force: true });
}

/** Names this process among all that may share the cache: boot and PID namespace, PID, start time. */
export function selfIdentity() {
  return `${namespace()}-${process.pid}-${startTime(process.pid)}`;
}

function isAlive(identity, file) {
  const [space, pid, started] = identity.split("-");
  if (space === namespace()) return startTime(Number(pid)) === started;
  try {
    return Date.now() - statSync(file).mtimeMs < SILENCE_MS;
  } catch {
    return false;
  }
}

let cachedNamespace;
function namespace() {
  if (cachedNamespace) return cachedNamespace;
  const boot =
    readText("/proc/sys/kernel/random/boot_id")?.slice(0, 8) ?? os.hostname().replaceAll("-", "_");
  let inode = "0";
  try {
    inode = readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch {
    // No /proc: the host's name and the PID must do.
  }
  return (cachedNamespace = `${boot}_${inode}`);
}

/** In clock ticks since boot, so that a PID that was given out again is not mistaken; null: no such process. */
function startTime(pid) {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The second field, the program's name, may hold blanks and brackets: count from its last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? null : fields[19];
}

function readText(file) {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return null;
  }
}

function touch(file) {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // Removed meanwhile: then nobody needs the sign of life.
  }
}
