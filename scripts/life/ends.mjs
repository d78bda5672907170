/** Processes that end while they predict, train, load or download. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { root } from "../setup/project.mjs";

const CHILD = fileURLToPath(new URL("ending.mjs", import.meta.url));
const TINY = path.join(root, "test", "fixtures", "models", "tiny-bert");
const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const PATIENCE = 60_000; // milliseconds from a process's end to its being gone

export const WORKS = ["predict", "train", "load", "download"];
/** How a process ends, and what its parent must see. */
export const ENDS = {
  exit: { code: 3, signal: null },
  uncaught: { code: 1, signal: null, says: "nobody catches this" },
  SIGTERM: { code: null, signal: "SIGTERM" },
  "nothing left": { code: 0, signal: null },
};

/** A hub of its own on the loopback, which takes its time: so that downloads are under way for long. */
export async function slowHub() {
  const files = new Map(
    readdirSync(TINY).map((name) => [name, readFileSync(path.join(TINY, name))]),
  );
  const server = createServer((request, response) => {
    if (request.url.startsWith("/api/")) {
      const siblings = [...files.keys()].map((rfilename) => ({ rfilename }));
      return response.end(JSON.stringify({ sha: COMMIT, siblings }));
    }
    const bytes = files.get(decodeURIComponent(request.url.split("/").at(-1)));
    if (!bytes) {
      const headers = { "x-repo-commit": COMMIT, "x-error-code": "EntryNotFound" };
      return response.writeHead(404, headers).end();
    }
    const hash = createHash("sha1")
      .update(`blob ${String(bytes.length)}\0`)
      .update(bytes);
    const headers = { etag: `"${hash.digest("hex")}"`, "content-length": bytes.length };
    response.writeHead(200, { ...headers, "x-repo-commit": COMMIT });
    return request.method === "HEAD" ? response.end() : drip(bytes, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${String(server.address().port)}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function drip(bytes, response) {
  const part = Math.ceil(bytes.length / 20);
  for (let at = 0; at < bytes.length && !response.destroyed; at += part) {
    response.write(bytes.subarray(at, at + part));
    await sleep(5);
  }
  response.end();
}

/**
 * Ends a process at a moment.
 *
 * @returns {Promise<{ finding: string | null, hit: boolean, seconds: number }>} seconds: from the end's beginning until
 *   the process was gone
 */
export async function endOne(task, env) {
  const child = spawn(process.execPath, [CHILD, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let [printed, errors, began] = ["", "", null];
  child.stdout.on("data", (data) => {
    printed += data;
    if (began === null && printed.includes("\nends ")) began = performance.now();
  });
  child.stderr.on("data", (data) => (errors += data));
  const timer = setTimeout(() => child.kill("SIGABRT"), PATIENCE);
  const [code, signal] = await new Promise((resolve) => {
    child.on("close", (...how) => resolve(how));
  });
  clearTimeout(timer);
  rmSync(task.scratch, { recursive: true, force: true });
  const seconds = began === null ? 0 : (performance.now() - began) / 1000;
  const hit = Number(/ends (\d+)/.exec(printed)?.[1] ?? 0) > 0;
  return { hit, seconds, finding: judge(task, { code, signal, errors, printed }) };
}

function judge({ end }, { code, signal, errors, printed }) {
  const expected = ENDS[end];
  const says = expected.says ?? "";
  if (!printed.includes("ends ")) return `ended before its time: ${errors.slice(0, 800)}`;
  if (code !== expected.code || signal !== expected.signal) {
    return `ended with ${String(signal ?? code)}: ${errors.slice(0, 800)}`;
  }
  if (!errors.includes(says) || (says === "" && errors !== "")) {
    return `said ${errors.slice(0, 800)}`;
  }
  return null;
}

/** Runs tasks, as many at a time as there are processors. */
export async function endAll(tasks, env, use) {
  const left = [...tasks];
  const work = async () => {
    for (let task = left.shift(); task; task = left.shift()) use(task, await endOne(task, env));
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, work));
}
