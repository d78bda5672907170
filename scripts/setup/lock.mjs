/**
 * Locks between set-ups. A lock is a file that names its owner, and the commands that the owner has running: these
 * outlive an owner that is killed, and until they are gone what it was making must be left to them.
 */
import { randomBytes } from "node:crypto";
import {
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

import { say, SetupError } from "./project.mjs";

export const HEARTBEAT_MS = 5_000;
/** An owner that cannot be asked (another container, another host) counts as gone after this silence. */
const SILENCE_MS = 60_000;
const POLL_MS = 200;
/** How file systems without hard links refuse one. */
const NO_HARD_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

/** The locks that this process holds. */
const held = new Set();
/** The commands that it has running, each the leader of a session: PID -> how a lock names it. */
const sessions = new Map();

/**
 * Runs `action` while holding `file` as a lock. A lock whose owner is gone, killed with no chance to tidy up
 * included, is taken over once the owner's commands are gone too.
 *
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withLock(file, action) {
  mkdirSync(path.dirname(file), { recursive: true });
  let told = null;
  while (!tryLock(file)) {
    const lock = readLock(file);
    const worker = lock === null ? null : workerOf(lock, file);
    if (lock !== null && !worker) takeAway(file, lock);
    if (worker && worker !== told) say(`${worker} is at work (${file}); waiting for it`);
    told = worker ?? told;
    // Whatever happened: a lock that comes and goes must not keep a processor busy.
    await sleep(POLL_MS);
  }
  held.add(file);
  const beat = setInterval(() => touch(file), HEARTBEAT_MS);
  beat.unref();
  try {
    return await action();
  } finally {
    clearInterval(beat);
    held.delete(file);
    if (isOurs(file)) rmSync(file, { force: true });
  }
}

/** Tells whoever waits for this process's locks that the session of process `pid` works for it. */
export function sessionBegins(pid) {
  sessions.set(pid, `${pid}-${startTime(pid)}`);
  for (const file of held) rewrite(file);
}

export function sessionEnds(pid) {
  sessions.delete(pid);
  try {
    for (const file of held) rewrite(file);
  } catch {
    // A lock that names what has ended does no harm.
  }
}

function tryLock(file) {
  try {
    withDraft(file, (draft) => putInPlace(draft, file));
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  }
}

function rewrite(file) {
  if (isOurs(file)) withDraft(file, (draft) => renameSync(draft, file));
}

/** Written aside: a lock that can be seen always names its owner. */
function withDraft(file, use) {
  const draft = `${file}.${selfIdentity()}-${randomBytes(4).toString("hex")}`;
  try {
    writeFileSync(draft, [selfIdentity(), ...sessions.values()].join("\n"));
    use(draft);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Gives the text of `draft` the name `file`; fails with EEXIST where there is one. */
function putInPlace(draft, file) {
  try {
    linkSync(draft, file);
  } catch (error) {
    if (!NO_HARD_LINKS.includes(error.code)) throw error;
    // For an instant such a lock is empty. Who reads it then goes by its age.
    writeFileSync(file, readFileSync(draft), { flag: "wx" });
  }
}

function isOurs(file) {
  return readText(file)?.split("\n")[0] === selfIdentity();
}

/** @returns {string | null} null: there is none any more */
function readLock(file) {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw unusable(file, error);
  }
}

/**
 * Removes a dead owner's lock. Two waiters may both have seen it dead; the rename tells which of them removes
 * it, and one that caught the other's new lock instead puts that back.
 */
function takeAway(file, deadLock) {
  const aside = `${file}.${randomBytes(4).toString("hex")}.dead`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (error.code === "ENOENT") return; // Another waiter was faster.
    throw unusable(file, error);
  }
  try {
    if (readText(aside) !== deadLock) putInPlace(aside, file);
  } catch (error) {
    if (error.code !== "EEXIST") throw error; // A third one has it now.
  } finally {
    rmSync(aside, { force: true });
  }
}

function unusable(file, error) {
  return new SetupError(
    `the lock ${file} can be neither taken nor waited for (${error.message}). ` +
      "When no other set-up is at work, remove it, as the user who owns it, and run set-up again.",
  );
}

/** Who works under a lock, in words; null: nobody any more. */
function workerOf(lock, file) {
  const [owner, ...started] = lock.split("\n");
  if (isAlive(owner, file)) return "another set-up";
  if (owner.split("-")[0] !== namespace()) return null;
  return started.some(sessionLives) ? "what a killed set-up had started" : null;
}

/** Whether any process of a session is left. Its number is not given out again before. */
function sessionLives(session) {
  const [leader, started] = session.split("-");
  const now = startTime(leader);
  if (now !== null) return now === started;
  return readdirSync("/proc").some((pid) => /^\d/.test(pid) && processFacts(pid)?.[3] === leader);
}

/** Names this process among all that may share the cache: boot and PID namespace, PID, start time. */
export function selfIdentity() {
  return `${namespace()}-${process.pid}-${startTime(process.pid)}`;
}

/** Whether the process with this identity lives; `file` is what it touches all the time. */
export function isAlive(identity, file) {
  const [space, pid, started] = identity.split("-");
  if (space === namespace()) return startTime(pid) === started;
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
  return processFacts(pid)?.[19] ?? null;
}

/** The fields of a process's stat from the third on; null: it has ended, whether or not its parent knows. */
function processFacts(pid) {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The second field, the program's name, may hold blanks and brackets: count from its last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? null : fields;
}

function readText(file) {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return null;
  }
}

/** The sign of life for those who cannot look for the process. */
export function touch(file) {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // Removed meanwhile: then nobody needs the sign of life.
  }
}
