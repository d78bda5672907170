/**
 * The cache on disk, shared by every project of a user and so by set-ups that run at the same time or were
 * killed half way. An entry is made in a folder beside its final place and renamed when it is complete, so
 * that whatever has its final name works. A lock only keeps two set-ups from doing the same work.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

import { HEARTBEAT_MS, isAlive, selfIdentity, touch, withLock } from "./lock.mjs";
import { userPath } from "./project.mjs";

/** `BERTCNN_CACHE`, or `bertcnn` in the user's cache folder. */
export function cacheDirectory(env = process.env) {
  if (env.BERTCNN_CACHE) return userPath(env.BERTCNN_CACHE, env);
  const base = env.XDG_CACHE_HOME || path.join(env.HOME || os.homedir(), ".cache");
  return path.join(base, "bertcnn");
}

/**
 * Makes the folder `target` by `make(folder)`, unless it is there or another process makes it first.
 *
 * @param {string} target
 * @param {(folder: string) => Promise<void>} make fills an empty folder on the same file system
 * @param {(target: string) => boolean} [isWhole] tells a good folder from one that is to be made anew
 */
export async function makeOnce(target, make, isWhole = existsSync) {
  await withLock(`${target}.lock`, async () => {
    removeLeftovers(target);
    if (isWhole(target)) return;
    const folder = partOf(target);
    mkdirSync(folder, { recursive: true });
    const beat = setInterval(() => touch(folder), HEARTBEAT_MS);
    try {
      await make(folder);
      publish(folder, target, isWhole);
    } finally {
      clearInterval(beat);
      rmSync(folder, { recursive: true, force: true });
      removeLeftovers(target);
    }
  });
}

/** A name beside `target` that tells whose it is. */
function partOf(target) {
  return `${target}.part-${selfIdentity()}-${randomBytes(4).toString("hex")}`;
}

/** Renames a complete folder to its final place; whoever is second keeps what the first put there. */
function publish(folder, target, isWhole) {
  // Else a power cut may keep the name and lose what is in the files.
  flush(folder);
  try {
    renameSync(folder, target);
  } catch (error) {
    if (isWhole(target)) return;
    if (!existsSync(target)) throw error;
    const damaged = partOf(target);
    renameSync(target, damaged);
    renameSync(folder, target);
    rmSync(damaged, { recursive: true, force: true });
  }
  flushOne(path.dirname(target));
}

function flush(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const place = path.join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() || entry.isDirectory()) flushOne(place);
  }
  flushOne(folder);
}

function flushOne(place) {
  const descriptor = openSync(place, "r");
  try {
    fsyncSync(descriptor);
  } catch (error) {
    // Some file systems have nothing to flush for a folder.
    if (error.code !== "EINVAL" && error.code !== "ENOTSUP") throw error;
  } finally {
    closeSync(descriptor);
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
