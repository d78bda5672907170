import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { lstat, lutimes, readlink, rm, symlink } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";

/** A writer to a cache that machines and containers may share, as part of a file's name. */
export type Owner = string;

const BEAT = 2_000; // ms: how often a lock tells that its owner lives
const SILENT = 20_000; // ms: after which it is taken for abandoned
const LOOK = 100; // ms

let own: string | undefined;
let owners = 0;

/** Tells apart machines and containers: the same process id is another process there. */
function place(): string {
  own ??= createHash("sha256")
    .update(readFileSync("/proc/sys/kernel/random/boot_id"))
    .update(readlinkSync("/proc/self/ns/pid"))
    .digest("hex")
    .slice(0, 12);
  return own;
}

/** Another one each time. */
export function newOwner(): Owner {
  return `${place()}-${String(process.pid)}-${String(owners++)}`;
}

/** Whether it is known that the owner's process has ended; of one elsewhere it never is. */
export function hasEnded(owner: Owner): boolean {
  const [where, pid] = owner.split("-");
  if (where !== place()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/** False where somebody else has it. */
async function take(lock: string, owner: Owner): Promise<boolean> {
  try {
    // A link says whose it is from the moment on that it is there.
    await symlink(owner, lock);
    return true;
  } catch (error) {
    // Where there can be no lock, the work is done without.
    return (error as NodeJS.ErrnoException).code !== "EEXIST";
  }
}

/** Whether its owner has ended, or is silent: by a clock that may go wrong, the file system's may too. */
async function isAbandoned(lock: string): Promise<boolean> {
  const owner = await readlink(lock).catch(() => "");
  if (hasEnded(owner)) return true;
  const beat = await lstat(lock).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(), // It is gone.
  );
  return Math.abs(Date.now() - beat) > SILENT;
}

/**
 * Does `work` while nobody else does who has the same lock. It only spares work: two may do it at once where one
 * seemed to have ended, so what they do must allow for that.
 */
export async function alone<T>(
  lock: string,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const owner = newOwner();
  while (!(await take(lock, owner))) {
    if (await isAbandoned(lock)) await rm(lock, { force: true });
    else await setTimeout(LOOK, undefined, { signal });
  }
  const beating = setInterval(() => {
    lutimes(lock, new Date(), new Date()).catch(() => undefined);
  }, BEAT).unref();
  try {
    return await work();
  } finally {
    clearInterval(beating);
    if ((await readlink(lock).catch(() => "")) === owner) await rm(lock, { force: true });
  }
}
