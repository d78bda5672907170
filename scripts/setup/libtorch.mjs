/** Finds the libtorch to build against and to load: named, kept, cached, a Python installation's, or fetched. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { cacheDirectory } from "./cache.mjs";
import { fetchLibtorch, servedVersions } from "./fetch.mjs";
import { isWhole } from "./manifest.mjs";
import { output } from "./process.mjs";
import { SetupError, userPath } from "./project.mjs";
import { atLeast } from "./tools.mjs";

/** Minor versions whose interfaces this library is built and tested with. */
const OLDEST_MINOR = 11;
const NEWEST_MINOR = 14;
export const SUPPORTED = `2.${OLDEST_MINOR} to 2.${NEWEST_MINOR}`;

/** What is fetched when nothing else is there, and nothing else was asked for. */
export const PINNED = { cpu: "2.13.0", cuda: "2.14.1" };

/**
 * @typedef {object} Libtorch
 * @property {string} directory the folder that holds `lib/` and `include/`
 * @property {string} version as its maker calls it, `"2.13.0+cpu"`
 * @property {string} minor `"2.13"`: libtorch is binary compatible within one
 * @property {"cpu" | "cuda"} variant whether libtorch_cuda.so is there
 * @property {string} source how it was found
 */

/**
 * @typedef {object} Wish what the user asked set-up for; a field left out is free
 * @property {"cpu" | "cuda"} [variant]
 * @property {string} [version] `"2.14.1"`
 */

/**
 * The libtorch to use, in this order: `BERTCNN_LIBTORCH`; the one that the addon was built with, if it still
 * fits; the cache; a Python installation's; the pinned one, by pip.
 *
 * @param {Wish} wish
 * @param {Libtorch | null} current what the addon was last built with
 * @returns {Promise<Libtorch>}
 */
export async function findLibtorch(wish, current, env = process.env) {
  if (wish.version) requireSupported(wish.version, `--libtorch-version ${wish.version}`);
  if (env.BERTCNN_LIBTORCH) return fromEnvironment(wish, userPath(env.BERTCNN_LIBTORCH, env));
  return (
    fromCurrent(wish, current) ??
    fromCache(wish, env) ??
    fromPython(wish) ??
    (await fetched(wish, env))
  );
}

/**
 * The same without fetching one.
 *
 * @param {Wish} wish
 * @returns {Promise<Libtorch>}
 */
export async function findLocalLibtorch(wish, env = process.env) {
  if (env.BERTCNN_LIBTORCH) return fromEnvironment(wish, userPath(env.BERTCNN_LIBTORCH, env));
  const found = fromCache(wish, env) ?? fromPython(wish);
  if (found) return found;
  throw new SetupError(
    `there is no libtorch ${SUPPORTED}${wish.variant === "cuda" ? " with CUDA" : ""} here: neither in ` +
      `${cacheDirectory(env)} nor in a Python installation. Install PyTorch, or name one in BERTCNN_LIBTORCH.`,
  );
}

/** @returns {Libtorch} */
function fromEnvironment(wish, folder) {
  const name = `BERTCNN_LIBTORCH=${folder}`;
  const found = describeLibtorch(folder, "BERTCNN_LIBTORCH");
  if (!found) {
    throw new SetupError(
      `${name} is no libtorch: neither it nor its 'torch' or 'libtorch' folder holds lib/libtorch_cpu.so and ` +
        "include/ATen. Name the folder of an unpacked libtorch or torch wheel, or unset it.",
    );
  }
  requireSupported(found.version, `${name}, which is libtorch ${found.version},`);
  const problem = misfit(found, wish);
  if (problem) throw new SetupError(`${name} ${problem}. Name another, or unset it.`);
  return found;
}

/** @returns {Libtorch | null} */
function fromCurrent(wish, current) {
  const found = current && describeLibtorch(current.directory, current.source);
  if (!found || !isSupported(found.version)) return null;
  if (found.source === "cache" && !isWhole(path.dirname(found.directory))) return null;
  return misfit(found, wish) ? null : found;
}

/** @returns {Libtorch | null} */
function fromCache(wish, env) {
  const { entry } = cacheEntry(wish, env);
  const found = isWhole(entry) ? describeLibtorch(entry, "cache") : null;
  return found && !misfit(found, wish) ? found : null;
}

/** @returns {Libtorch | null} */
function fromPython(wish) {
  // find_spec does not run torch, which would take seconds.
  const question =
    "import importlib.util as u; s = u.find_spec('torch'); print(*(s.submodule_search_locations if s else []))";
  for (const python of ["python3", "python"]) {
    const folder = output(python, ["-c", question]);
    const found = folder ? describeLibtorch(folder, "Python") : null;
    if (found && isSupported(found.version) && !misfit(found, wish)) return found;
  }
  return null;
}

/** @returns {Promise<Libtorch>} */
async function fetched(wish, env) {
  const { entry, version, variant } = cacheEntry(wish, env);
  await fetchLibtorch({ entry, version, variant });
  const found = describeLibtorch(entry, "cache");
  const problem = found ? misfit(found, wish) : "is not complete";
  if (problem)
    throw new SetupError(`${entry} ${problem}. Remove that folder and run set-up again.`);
  return found;
}

function cacheEntry(wish, env) {
  const variant = wish.variant ?? "cpu";
  const version = wish.version ?? PINNED[variant];
  const entry = path.join(cacheDirectory(env), "libtorch", `${version}-${variant}-${process.arch}`);
  return { entry, version, variant };
}

/**
 * What lies in a folder, which may also be the one above the libtorch.
 *
 * @returns {Libtorch | null} null: no libtorch
 */
export function describeLibtorch(folder, source) {
  for (const inner of ["", "torch", "libtorch"]) {
    const directory = path.resolve(folder, inner);
    if (!existsSync(path.join(directory, "lib", "libtorch_cpu.so"))) continue;
    if (!existsSync(path.join(directory, "include", "ATen"))) continue;
    const version = readVersion(directory);
    if (!version) continue;
    const minor = version.split(".").slice(0, 2).join(".");
    const variant = existsSync(path.join(directory, "lib", "libtorch_cuda.so")) ? "cuda" : "cpu";
    return { directory, version, minor, variant, source };
  }
  return null;
}

/**
 * The oldest and the newest release that is supported and that pip serves, each in its newest patch.
 *
 * @returns {string[]} one where pip serves a single minor version
 */
export function oldestAndNewestServed() {
  const served = servedVersions();
  const newestOf = new Map();
  for (const version of served.filter((v) => /^\d+\.\d+\.\d+$/.test(v) && isSupported(v))) {
    const minor = Number(version.split(".")[1]);
    const known = newestOf.get(minor);
    if (!known || atLeast(version, known)) newestOf.set(minor, version);
  }
  if (newestOf.size === 0) {
    throw new SetupError(`pip serves no torch ${SUPPORTED}, only ${served.join(", ")}.`);
  }
  const minors = [...newestOf.keys()];
  const ends = new Set([Math.min(...minors), Math.max(...minors)]);
  return [...ends].map((minor) => newestOf.get(minor));
}

/** A wheel says `2.13.0+cpu` in version.py; every libtorch says `2.13.0` in its header. */
function readVersion(directory) {
  const wheel = readText(path.join(directory, "version.py"))?.match(/^__version__ = '([^']+)'/m);
  if (wheel) return wheel[1];
  const header = readText(path.join(directory, "include/torch/headeronly/version.h"));
  return header?.match(/#define TORCH_VERSION\s*\\?\s*"([^"]+)"/)?.[1] ?? null;
}

function readText(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

/** Why a libtorch can't be used for what was asked, or null. */
function misfit(found, wish) {
  if (wish.version && found.version.split("+")[0] !== wish.version) {
    return `is libtorch ${found.version}, but ${wish.version} was asked for`;
  }
  if (wish.variant === "cuda" && found.variant !== "cuda") {
    return "is a CPU build (it has no lib/libtorch_cuda.so), but --variant cuda was asked for";
  }
  const unresolved = missingLibraries(found, wish.variant ?? "cpu");
  return unresolved.length > 0
    ? `needs ${unresolved.join(", ")}, which the loader does not find`
    : null;
}

/** Sonames that the dynamic loader does not find, as `ldd` tells it; none where there is no `ldd`. */
function missingLibraries({ directory }, variant) {
  const library = variant === "cuda" ? "libtorch_cuda.so" : "libtorch_cpu.so";
  const listing = output("ldd", [path.join(directory, "lib", library)]) ?? "";
  return [...listing.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1]);
}

function isSupported(version) {
  const [major, minor] = version.split(".").map(Number);
  return major === 2 && minor >= OLDEST_MINOR && minor <= NEWEST_MINOR;
}

function requireSupported(version, name) {
  if (isSupported(version)) return;
  throw new SetupError(`${name} is not supported: libtorch ${SUPPORTED} is.`);
}
