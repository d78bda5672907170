#!/usr/bin/env node
/**
 * Brings a checkout or an installed package to the point where it works: npm packages, libtorch, the addon, the
 * compiled TypeScript. What is already there is left alone, silently. Node's built-in modules only, since it runs
 * before `npm ci`.
 */
import { parseArgs } from "node:util";

import { addonIsCurrent, buildAddon, LIB, readBuildInfo } from "./setup/addon.mjs";
import { findLibtorch } from "./setup/libtorch.mjs";
import { withLock } from "./setup/lock.mjs";
import { installPackages, packagesAreCurrent } from "./setup/packages.mjs";
import { isCheckout, isProgram, SetupError } from "./setup/project.mjs";
import { requireBuildTools, requireNode } from "./setup/tools.mjs";
import { compileTypescript, typescriptIsCurrent } from "./setup/typescript.mjs";

export const OPTIONS_HELP = `\
  --variant cpu|cuda         which libtorch, and libbertcnn_cuda or not (default: as in use, else cpu)
  --libtorch-version X.Y.Z   another release than the pinned one
  --force                    build the addon even if it is up to date
  --verbose                  show all output of the tools`;

const OPTIONS = {
  variant: { type: "string" },
  "libtorch-version": { type: "string" },
  force: { type: "boolean", default: false },
  verbose: { type: "boolean", default: false },
};

/** @param {string[]} argv */
export function parseSetupArguments(argv) {
  let values;
  try {
    ({ values } = parseArgs({ args: argv, options: OPTIONS }));
  } catch (error) {
    throw new SetupError(`${error.message}. The options are:\n${OPTIONS_HELP}`);
  }
  const { variant, force, verbose } = values;
  if (variant !== undefined && variant !== "cpu" && variant !== "cuda") {
    throw new SetupError(`--variant is '${variant}'; it can be 'cpu' or 'cuda'.`);
  }
  const version = values["libtorch-version"];
  if (version !== undefined && !/^\d+\.\d+\.\d+$/.test(version)) {
    throw new SetupError(`--libtorch-version is '${version}'; it looks like '2.13.0'.`);
  }
  return { variant, version, force, verbose };
}

/**
 * Does what is still to be done.
 *
 * @param {{ variant?: "cpu" | "cuda", version?: string, force?: boolean, verbose?: boolean }} [options]
 * @returns {Promise<import("./setup/libtorch.mjs").Libtorch>} the libtorch that the addon uses
 */
export async function setUp(options = {}) {
  requireNode();
  const done = options.force ? null : await currentLibtorch(options);
  if (done) return done;
  return withLock(`${LIB}/setup.lock`, () => work(options));
}

/** Whether libbertcnn_cuda is wanted: asked for, or there since it was asked for. */
function wantsCuda(variant, info) {
  return variant === undefined ? info?.cuda === true : variant === "cuda";
}

/** The libtorch in use, if nothing at all is left to do. */
async function currentLibtorch({ variant, version }) {
  const info = readBuildInfo();
  if (!info || (isCheckout && !packagesAreCurrent()) || !typescriptIsCurrent()) return null;
  const libtorch = await findLibtorch({ variant, version }, info.libtorch);
  return addonIsCurrent(libtorch, { cuda: wantsCuda(variant, info) }) ? libtorch : null;
}

async function work({ variant, version, force = false, verbose = false }) {
  const info = readBuildInfo();
  const building = force || !info;
  // Before minutes of downloading, not after.
  if (building) requireBuildTools();
  if (isCheckout && !packagesAreCurrent()) await installPackages({ verbose });
  const libtorch = await findLibtorch({ variant, version }, info?.libtorch ?? null);
  const cuda = wantsCuda(variant, info);
  if (force || !addonIsCurrent(libtorch, { cuda })) await buildAddon(libtorch, { cuda, verbose });
  if (!typescriptIsCurrent()) await compileTypescript({ verbose });
  return libtorch;
}

/** Runs `action`; a failure that one line explains is shown as that line. */
export async function reportingFailure(action) {
  try {
    await action();
  } catch (error) {
    const line = explain(error);
    if (line === null) throw error;
    console.error(`bertcnn: ${line}`);
    process.exitCode = 1;
  }
}

/** What to do where the system refuses something; its own words say what that is. */
const REMEDIES = {
  EACCES: "Make that place writable for you, or run set-up as the user who owns it.",
  EPERM: "Make that place writable for you, or run set-up as the user who owns it.",
  EROFS: "That file system is read-only: make it writable, or use a copy elsewhere.",
  ENOSPC: "The disk is full: make room.",
  EDQUOT: "Your quota is used up: make room.",
  EEXIST: "Something else has that name: move it away.",
  ENOTDIR: "A file is where a folder should be: move it away.",
  EISDIR: "A folder is where a file should be: move it away.",
};

/** One line for a failure of the environment; null for one of ours, whose stack is worth showing. */
function explain(error) {
  if (error instanceof SetupError) return error.message;
  if (!error?.code || !error.path || !error.syscall) return null;
  const where = error.message.includes(error.path) ? "" : ` '${error.path}'`;
  return `${error.message}${where}. ${REMEDIES[error.code] ?? "See to that, then run set-up again."}`;
}

if (isProgram(import.meta.url)) {
  await reportingFailure(() => setUp(parseSetupArguments(process.argv.slice(2))));
}
