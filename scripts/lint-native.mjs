// clang-format over all C++, clang-tidy over every file that the addon is built from. Both must be silent.
//
//   npm run lint:native [-- --format-only] [FILE ...]     FILE: only these, e.g. native/text/tokenizer.cc
//
// clang-tidy parses ATen for most files, so the whole takes minutes; name files to be quick.
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";

import { setUp } from "./setup.mjs";
import { requireFromHere, root } from "./setup/project.mjs";

const BUILD = path.join(root, "build-lint"); // configured for its compile_commands.json, never built
const OUTPUT_LIMIT = 64 * 2 ** 20; // bytes; one broken header is reported by every file that includes it
const execute = promisify(execFile);

const { values, positionals } = parseArgs({
  options: { "format-only": { type: "boolean", default: false } },
  allowPositionals: true,
});
const wanted = new Set(positionals.map((file) => path.resolve(file)));
const isWanted = (/** @type {string} */ file) => wanted.size === 0 || wanted.has(file);

try {
  let failures = await checkFormat();
  if (!values["format-only"]) failures += await checkTidy();
  process.exitCode = failures === 0 ? 0 : 1;
} catch (error) {
  console.error(`lint-native: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

/** @returns {Promise<number>} files with findings */
async function checkFormat() {
  const files = cppFiles().filter(isWanted);
  const { failed, seconds } = await checkEach(files, "clang-format", ["--dry-run", "-Werror"]);
  console.log(`clang-format: ${files.length} files, ${failed} with findings, ${seconds} s`);
  return failed;
}

/** @returns {Promise<number>} files with findings */
async function checkTidy() {
  const files = (await builtFiles()).filter(isWanted);
  // Clang would want an omp.h of its own.
  const args = ["--quiet", "-p", BUILD, "--extra-arg=-fno-openmp"];
  const { failed, seconds } = await checkEach(files, "clang-tidy", args);
  console.log(`clang-tidy: ${files.length} files, ${failed} with findings, ${seconds} s`);
  return failed;
}

/** Every C++ file of the repository, tracked or new. */
function cppFiles() {
  const listed = execFileSync(
    "git",
    ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.cc", "*.h"],
    { cwd: root, encoding: "utf8" },
  );
  return listed
    .split("\0")
    .filter((file) => file !== "")
    .map((file) => path.join(root, file))
    .filter((file) => existsSync(file));
}

/** What the addon is built from, without the files that cmake-js would add. */
async function builtFiles() {
  const { directory: libtorch } = await setUp();
  const folderOf = (/** @type {string} */ name) =>
    path.dirname(requireFromHere.resolve(`${name}/package.json`));
  const definitions = {
    BERTCNN_LIBTORCH: libtorch,
    BERTCNN_NODE_ADDON_API: folderOf("node-addon-api"),
    CMAKE_JS_INC: path.join(folderOf("node-api-headers"), "include"),
  };
  const defined = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
  await execute("cmake", ["-S", root, "-B", BUILD, ...defined]);
  /** @type {{ directory: string, file: string }[]} */
  const entries = JSON.parse(readFileSync(path.join(BUILD, "compile_commands.json"), "utf8"));
  return entries.map(({ directory, file }) => path.resolve(directory, file));
}

/**
 * Runs a checker on each file, as many at a time as there are cores, and prints what it finds.
 * @param {string[]} files
 * @param {string} program
 * @param {string[]} args
 */
async function checkEach(files, program, args) {
  const begin = performance.now();
  const waiting = [...files];
  let failed = 0;
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      try {
        await execute(program, [...args, file], { cwd: root, maxBuffer: OUTPUT_LIMIT });
      } catch (error) {
        if (error.code === "ENOENT") {
          throw new Error(`${program} is missing. To install: apt-get install -y ${program}`);
        }
        ++failed;
        console.log(`${path.relative(root, file)}\n${error.stdout}${withoutCounts(error.stderr)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { failed, seconds: Math.round((performance.now() - begin) / 1000) };
}

/** clang-tidy counts the warnings that it suppressed in other people's headers. */
function withoutCounts(/** @type {string} */ text) {
  return text.replace(/^.*(warnings? generated|Suppressed|Use -header-filter).*\n?/gm, "");
}
