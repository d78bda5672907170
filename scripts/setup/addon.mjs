/** Builds lib/bertcnn.node by CMake, which cmake-js drives, and records what it was built with. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { findNvcc } from "./cuda.mjs";
import { fingerprint } from "./fingerprint.mjs";
import { output, run } from "./process.mjs";
import { requireFromHere, root, say, SetupError } from "./project.mjs";
import { findCompiler, requireBuildTools } from "./tools.mjs";

// Outside of build/ itself, where node-gyp keeps its own makefiles.
const BUILD = path.join(root, "build", "cmake");
const LOG = path.join(root, "build", "cmake.log");
export const LIB = path.join(root, "lib");
const ADDON = path.join(LIB, "bertcnn.node");
const CUDA_LIBRARY = path.join(LIB, "libbertcnn_cuda.so");
const INFO = path.join(LIB, "build-info.json");

/** For ccache: what one checkout has compiled serves the next, wherever it lies. */
const CACHED = { CCACHE_BASEDIR: root, CCACHE_NOHASHDIR: "true" };

/** @typedef {import("./libtorch.mjs").Libtorch} Libtorch */

/** @returns {{ fingerprint: string, libtorch: Libtorch, cuda?: boolean } | null} what the addon in lib/ was built with */
export function readBuildInfo() {
  if (!existsSync(ADDON)) return null;
  try {
    const info = JSON.parse(readFileSync(INFO, "utf8"));
    return typeof info?.libtorch?.directory === "string" ? info : null;
  } catch {
    return null;
  }
}

/**
 * @param {Libtorch} libtorch
 * @param {{ cuda?: boolean }} [options] whether libbertcnn_cuda is wanted beside it
 */
export function addonIsCurrent(libtorch, { cuda = false } = {}) {
  if (cuda && !existsSync(CUDA_LIBRARY)) return false;
  return readBuildInfo()?.fingerprint === addonFingerprint(libtorch, cuda);
}

/**
 * @param {Libtorch} libtorch
 * @param {{ cuda?: boolean, verbose?: boolean }} [options] `cuda`: libbertcnn_cuda as well
 */
export async function buildAddon(libtorch, { cuda = false, verbose = false } = {}) {
  requireBuildTools();
  const definitions = { BERTCNN_BUILD_TESTS: "OFF", ...cudaDefinitions(libtorch, cuda) };
  say(`building the addon with libtorch ${libtorch.version} (takes minutes the first time)`);
  const before = addonFingerprint(libtorch, cuda);
  // Without its record an addon that the next lines leave half made is not taken for a good one.
  rmSync(INFO, { force: true });
  // One of former times would be loaded instead of none.
  rmSync(CUDA_LIBRARY, { force: true });
  await configure(libtorch, definitions, verbose);
  await compile("bertcnn", verbose);
  if (cuda) await compile("bertcnn_cuda", verbose);
  tryToLoad();
  mkdirSync(LIB, { recursive: true });
  const info = { arch: process.arch, libtorch, cuda, fingerprint: before };
  writeFileSync(`${INFO}.part`, `${JSON.stringify(info, null, 2)}\n`);
  renameSync(`${INFO}.part`, INFO);
}

/**
 * Builds everything that CMakeLists.txt has for development, the C++ tests above all.
 *
 * @param {Libtorch} libtorch
 * @param {{ verbose?: boolean }} [options]
 * @returns {Promise<string>} the folder where ctest finds them
 */
export async function buildNativeTests(libtorch, { verbose = false } = {}) {
  requireBuildTools();
  await configure(libtorch, { BERTCNN_BUILD_TESTS: "ON" }, verbose);
  await compile("all", verbose);
  return BUILD;
}

/**
 * Builds one of the command-line tools that checks use.
 *
 * @param {Libtorch} libtorch
 * @param {string} name
 * @param {{ verbose?: boolean }} [options]
 * @returns {Promise<string>} the program
 */
export async function buildTool(libtorch, name, { verbose = false } = {}) {
  requireBuildTools();
  await configure(libtorch, { BERTCNN_BUILD_TOOLS: "ON" }, verbose);
  await compile(name, verbose);
  return path.join(BUILD, name);
}

/**
 * Builds an addon of another kind than the one in lib/, which stays: for checks.
 *
 * @param {Libtorch} libtorch
 * @param {string} name of its folder in build/
 * @param {Record<string, string>} definitions of CMake
 * @param {{ verbose?: boolean }} [options]
 * @returns {Promise<string>} the addon
 */
export async function buildOtherAddon(libtorch, name, definitions, { verbose = false } = {}) {
  requireBuildTools();
  const folder = path.join(root, "build", name);
  const lib = path.join(folder, "lib");
  const all = { BERTCNN_BUILD_TESTS: "OFF", BERTCNN_ADDON_DIR: lib, ...definitions };
  await configure(libtorch, all, verbose, folder);
  await compile("bertcnn", verbose, folder);
  if (all.BERTCNN_CUDA === "ON") await compile("bertcnn_cuda", verbose, folder);
  return path.join(lib, "bertcnn.node");
}

/** CMake's definitions for libbertcnn_cuda, or for going without it. */
export function cudaDefinitions(libtorch, cuda = true) {
  if (!cuda) return { BERTCNN_CUDA: "OFF" };
  return { BERTCNN_CUDA: "ON", BERTCNN_NVCC: findNvcc(libtorch).nvcc };
}

async function configure(libtorch, definitions, verbose, folder = BUILD) {
  const all = {
    BERTCNN_LIBTORCH: libtorch.directory,
    BERTCNN_NODE_ADDON_API: path.dirname(requireFromHere.resolve("node-addon-api/package.json")),
    ...definitions,
  };
  const args = Object.entries(all).map(([name, value]) => `--CD${name}=${value}`);
  removeForeignBuild(folder);
  const fresh = !existsSync(path.join(folder, "CMakeCache.txt"));
  try {
    await cmakeJs(["configure", ...args], "configuring with CMake", verbose, folder);
  } catch (error) {
    if (fresh) throw error;
    // A cache that an interrupted or very different run left behind: once more from nothing.
    rmSync(folder, { recursive: true, force: true });
    await cmakeJs(["configure", ...args], "configuring with CMake", verbose, folder);
  }
}

/** CMake refuses to change a folder's generator, compiler or place. */
function removeForeignBuild(folder) {
  const file = path.join(folder, "CMakeCache.txt");
  if (!existsSync(file)) return;
  const text = readFileSync(file, "utf8");
  const cached = (name) => text.match(new RegExp(`^${name}:[^=]*=(.*)$`, "m"))?.[1];
  const generator = output("ninja", ["--version"]) === null ? "Unix Makefiles" : "Ninja";
  const command = findCompiler()?.command ?? "";
  const compiler = cached("CMAKE_CXX_COMPILER") ?? "";
  const fits =
    cached("CMAKE_GENERATOR") === generator &&
    cached("CMAKE_CACHEFILE_DIR") === folder &&
    path.basename(compiler) === path.basename(command);
  if (!fits) rmSync(folder, { recursive: true, force: true });
}

function compile(target, verbose, folder = BUILD) {
  const jobs = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(affordableJobs());
  const args = ["build", "--target", target, "--parallel", jobs];
  return cmakeJs(args, "building the addon", verbose, folder);
}

/** A file that includes ATen takes up to 1.5 GB to compile. */
function affordableJobs() {
  const byMemory = Math.floor(os.totalmem() / 1.5e9);
  return Math.max(1, Math.min(os.availableParallelism(), byMemory));
}

function cmakeJs(args, what, verbose, folder) {
  const program = path.join(
    path.dirname(requireFromHere.resolve("cmake-js/package.json")),
    "bin",
    "cmake-js",
  );
  const places = ["--directory", root, "--out", folder];
  return run(process.execPath, [program, ...args, ...places], {
    what,
    cwd: root,
    env: { ...CACHED, ...process.env },
    log: LOG,
    verbose,
  });
}

/** In a process of its own, for an addon that does not fit can end the process that loads it. */
function tryToLoad() {
  const program = `process.stdout.write(String(require(${JSON.stringify(ADDON)}).builtWithLibtorch))`;
  if (output(process.execPath, ["-e", program]) === null) {
    throw new SetupError(
      `${ADDON} was built, but Node.js cannot load it: node -e 'require("${ADDON}")' says why.`,
    );
  }
}

function addonFingerprint(libtorch, cuda) {
  const { CXX, CXXFLAGS, LDFLAGS } = process.env;
  const facts = {
    libtorch: [libtorch.directory, libtorch.version],
    cuda,
    compiler: findCompiler(),
    environment: { CXX, CXXFLAGS, LDFLAGS },
    arch: process.arch,
    nodeAddonApi: requireFromHere("node-addon-api/package.json").version,
    cmakeJs: requireFromHere("cmake-js/package.json").version,
  };
  return fingerprint(["CMakeLists.txt", "native", "binding"], facts);
}
