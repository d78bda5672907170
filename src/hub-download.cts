import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import path from "node:path";

import { BertCnnError } from "./errors.cjs";
import { exists } from "./hub-cache.cjs";
import { alone, hasEnded, newOwner } from "./hub-lock.cjs";
import { connectionFailure, PassingFailure, persist, request } from "./hub-request.cjs";
import type { RemoteFile } from "./hub-request.cjs";

/** Called with the bytes that are there and all bytes, or null where these are not known. */
type Report = (loaded: number, total: number | null) => void;

/** A file to fetch. */
export interface Download {
  remote: RemoteFile;
  /** for messages */
  what: string;
  report: Report;
  signal: AbortSignal;
}

/** Such an old partial file has no writer: a silent connection is given up far earlier. */
const ABANDONED_AFTER = 3_600_000; // ms

async function isAbandoned(file: string, owner: string): Promise<boolean> {
  if (owner === "free" || hasEnded(owner)) return true;
  return Date.now() - (await stat(file)).mtimeMs > ABANDONED_AFTER;
}

/** Makes an abandoned partial file our own. */
async function takeOver(file: string, owner: string, mine: string): Promise<boolean> {
  try {
    if (!(await isAbandoned(file, owner))) return false;
    await rename(file, mine);
    return true;
  } catch {
    return false; // Somebody else was faster.
  }
}

/**
 * A partial file of our own, `{etag}.{owner}.incomplete`, made from one that somebody left where there is one.
 * Each writer has its own file and renaming is atomic, so that nothing depends on a lock; Python's
 * `{etag}.incomplete`, which it guards with one that Node.js cannot take, is left alone.
 */
async function claim(blob: string): Promise<string> {
  const mine = `${blob}.${newOwner()}.incomplete`;
  const start = `${path.basename(blob)}.`;
  for (const name of await readdir(path.dirname(blob))) {
    const owner = /^([\w-]+)\.incomplete$/.exec(name.slice(start.length))?.[1];
    if (!name.startsWith(start) || owner === undefined) continue;
    if (await takeOver(path.join(path.dirname(blob), name), owner, mine)) return mine;
  }
  return mine;
}

/** Leaves the partial file for whoever comes next. */
async function release(blob: string, mine: string): Promise<void> {
  await rename(mine, `${blob}.free.incomplete`).catch(() => undefined);
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Sets the file's end to where the answer's bytes belong: a server may ignore the range, or not have it. */
async function cutToStart(file: FileHandle, response: Response, asked: number, what: string) {
  const range = response.headers.get("content-range") ?? "";
  if (response.status === 206 && range.startsWith(`bytes ${String(asked)}-`)) return asked;
  await file.truncate(0);
  if (response.status === 200) return 0;
  await response.body?.cancel();
  throw new PassingFailure(
    new BertCnnError("ERR_NETWORK", `The server sent another part than asked for of ${what}`),
  );
}

async function append(file: FileHandle, body: Response["body"], loaded: number, to: Download) {
  const { what, remote, report, signal } = to;
  const reader = (body as ReadableStream<Uint8Array> | null)?.getReader();
  try {
    for (;;) {
      report(loaded, remote.size);
      const part = await reader?.read().catch((error: unknown) => {
        throw signal.aborted ? error : connectionFailure(what, error);
      });
      if (part?.value === undefined) return loaded;
      await file.appendFile(part.value);
      loaded += part.value.length;
      if (remote.size !== null && loaded > remote.size) throw wrong(to, "more bytes than it said");
    }
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

function wrong({ what }: Download, how: string): BertCnnError {
  return new BertCnnError("ERR_NETWORK", `The server sent ${how} for ${what}; nothing was kept`);
}

/** One request for what is missing at the end of the file. */
async function fetchRest(mine: string, to: Download): Promise<void> {
  const { remote, what, signal } = to;
  const { size } = remote;
  const file = await open(mine, "a");
  try {
    let asked = (await file.stat()).size;
    // Without a size nothing tells whether the rest is one of the same file.
    if (size === null || asked > size) await file.truncate((asked = 0));
    if (asked === size && asked > 0) return;
    const headers: Record<string, string> = asked > 0 ? { range: `bytes=${String(asked)}-` } : {};
    const response = await request(remote.url, what, { headers }, signal);
    const start = await cutToStart(file, response, asked, what);
    const loaded = await append(file, response.body, start, to);
    if (size !== null && loaded < size) {
      const got = `only ${String(loaded)} of ${String(size)} bytes`;
      throw new PassingFailure(new BertCnnError("ERR_NETWORK", `Received ${got} of ${what}`));
    }
    // Before it gets its name: a name without its bytes would outlive a power cut.
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The hash that an ETag is, or nothing where it is another server's own kind. */
function hashOf(etag: string, size: number): Hash | undefined {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash("sha256");
  if (!/^[0-9a-f]{40}$/.test(etag)) return undefined;
  return createHash("sha1").update(`blob ${String(size)}\0`); // git's
}

/** Read from the disk again: what was there before this download is checked, too. */
async function isWhole(mine: string, { remote, signal }: Download): Promise<boolean> {
  const hash = hashOf(remote.etag, await sizeOf(mine));
  if (hash === undefined) return true;
  for await (const chunk of createReadStream(mine, { signal })) hash.update(chunk as Buffer);
  return hash.digest("hex") === remote.etag;
}

/** Fetches until the bytes are right; what was resumed and is wrong is fetched once more from its start. */
async function fill(mine: string, to: Download): Promise<void> {
  const resumed = (await sizeOf(mine)) > 0;
  await persist(
    () => fetchRest(mine, to),
    to.signal,
    () => sizeOf(mine),
  );
  if (await isWhole(mine, to)) return;
  await rm(mine);
  if (!resumed) throw wrong(to, "bytes of another hash");
  await fill(mine, to);
}

async function fetchInto(blob: string, to: Download): Promise<void> {
  if (await exists(blob)) {
    // Somebody else has fetched it meanwhile.
    const { size } = await stat(blob);
    to.report(size, size);
    return;
  }
  const mine = await claim(blob);
  try {
    await fill(mine, to);
    await rename(mine, blob);
  } catch (error) {
    await release(blob, mine);
    throw error;
  }
}

/**
 * Fetches a file into the cache, unless it is there, or waits for somebody who does that already. What an error or
 * an abort leaves is resumed the next time.
 */
export async function download(blob: string, to: Download): Promise<void> {
  await mkdir(path.dirname(blob), { recursive: true });
  await alone(`${blob}.lock`, to.signal, () => fetchInto(blob, to));
}
