/** What the checks share: a line for each thing shown, commands that must succeed, folders that go away. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { root } from "../setup/project.mjs";

/** Runs `action`, then tells that `what` holds; an error tells that it does not. */
export async function shows(what, action) {
  const value = await action();
  console.log(`ok: ${what}`);
  return value;
}

/**
 * Runs a command that must succeed, and gives its standard output.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export function must(command, args, { cwd = root, env = process.env } = {}) {
  const result = spawnSync(command, args, { cwd, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (result.status === 0) return result.stdout;
  const words = `${result.stdout ?? ""}${result.stderr ?? ""}${result.error ?? ""}`;
  throw new Error(`${[command, ...args].join(" ")} in ${cwd}:\n${words}`);
}

export function equal(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${actual}, expected ${expected}`);
}

/** Gives `action` a folder outside of the checkout, and removes it. */
export async function inTemporaryFolder(action) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "bertcnn-check-"));
  try {
    return await action(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
