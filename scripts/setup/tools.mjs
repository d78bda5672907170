/** The tools that set-up needs from the system. A missing one is named in one line with the command that installs it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { packageJson, SetupError } from "./project.mjs";
import { output } from "./process.mjs";

const CMAKE_MINIMUM = "3.22";

/** What libtorch's headers use of C++20; a compiler that only knows the flag does not do. */
const CXX20_PROBE = `
#include <bit>
#include <concepts>
#include <source_location>
#include <span>
#include <string>
template <typename T> concept Number = std::integral<T> || std::floating_point<T>;
struct Shape { int rows; int columns; auto operator<=>(const Shape&) const = default; };
template <Number T> T sum(std::span<const T> values) { T s{}; for (T v : values) s += v; return s; }
int main() {
  const int values[] = {1, 2};
  const Shape a{.rows = 1, .columns = 2};
  return sum<int>(values) + (a < Shape{2, 2}) + std::bit_cast<int>(1.0f) + std::source_location::current().line();
}
`;

/**
 * @typedef {{ name: string, apt: string, advice?: string }} Missing
 *   `advice` replaces the package manager's command where that would not help
 */

/** @throws {SetupError} naming every tool that building lacks */
export function requireBuildTools() {
  report([...missingCompiler(), ...missingCmake(), ...missingMaker()]);
}

/** @throws {SetupError} when libtorch cannot be fetched for want of Python or pip */
export function requireFetchTools() {
  report(missingPython());
}

/** @throws {SetupError} when this Node is older than `engines` asks for */
export function requireNode() {
  const wanted = packageJson.engines.node.replace(">=", "");
  if (atLeast(process.versions.node, wanted)) return;
  throw new SetupError(
    `Node.js ${process.versions.node} is too old: ${wanted} or later is needed. ` +
      "Install a supported one, e.g. with 'nvm install 22', or from your distribution.",
  );
}

/** The C++ compiler that CMake will take: `CXX`, else the first of its usual names. */
export function findCompiler(env = process.env) {
  const candidates = env.CXX ? [env.CXX] : ["c++", "g++", "clang++"];
  for (const command of candidates) {
    const version = output(command, ["--version"]);
    if (version !== null) return { command, version: version.split("\n")[0] };
  }
  return null;
}

/** @returns {Missing[]} */
function missingCompiler() {
  const compiler = findCompiler();
  if (!compiler) {
    const name = process.env.CXX
      ? `the C++ compiler that CXX names (${process.env.CXX})`
      : "a C++20 compiler";
    return [{ name, apt: "g++" }];
  }
  if (compilesCxx20(compiler.command)) return [];
  return [
    {
      name: `a compiler that knows C++20 (${compiler.command} is '${compiler.version}', which does not)`,
      apt: "g++-12",
      advice: `${aptCommand(["g++-12"]) ?? "install g++ 11 or clang 14 or later"}, then set CXX=g++-12`,
    },
  ];
}

function compilesCxx20(command) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "bertcnn-probe-"));
  try {
    const source = path.join(folder, "probe.cc");
    writeFileSync(source, CXX20_PROBE);
    const args = ["-std=c++20", source, "-o", path.join(folder, "probe")];
    return spawnSync(command, args, { stdio: "ignore" }).status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns {Missing[]} */
function missingCmake() {
  const version = output("cmake", ["--version"])?.match(/(\d+\.\d+\.\d+)/)?.[1];
  if (version && atLeast(version, CMAKE_MINIMUM)) return [];
  const name = `CMake ${CMAKE_MINIMUM} or later`;
  if (!version) return [{ name, apt: "cmake" }];
  // The distribution has an older one, so its package would not help.
  return [
    { name: `${name} (found ${version})`, apt: "cmake", advice: "python3 -m pip install cmake" },
  ];
}

/** @returns {Missing[]} */
function missingMaker() {
  const found = ["ninja", "make"].some((command) => output(command, ["--version"]) !== null);
  return found ? [] : [{ name: "Ninja or Make", apt: "ninja-build" }];
}

/** @returns {Missing[]} */
function missingPython() {
  if (output("python3", ["--version"]) === null) {
    return [{ name: "Python 3 with pip, which fetches libtorch", apt: "python3-pip" }];
  }
  if (output("python3", ["-m", "pip", "--version"]) === null) {
    return [{ name: "Python's pip, which fetches libtorch", apt: "python3-pip" }];
  }
  return [];
}

/** @param {Missing[]} missing */
function report(missing) {
  if (missing.length === 0) return;
  const names = missing.map((tool) => tool.name).join(", and ");
  const plain = missing.filter((tool) => !tool.advice).map((tool) => tool.apt);
  const commands = missing.flatMap((tool) => tool.advice ?? []);
  if (plain.length > 0) {
    commands.unshift(aptCommand(plain) ?? `install with your package manager: ${plain.join(", ")}`);
  }
  throw new SetupError(`missing: ${names}. To install: ${commands.join("; ")}`);
}

/** @returns {string | null} null where the distribution is not of Debian's family */
function aptCommand(packages) {
  let release = "";
  try {
    release = readFileSync("/etc/os-release", "utf8");
  } catch {
    return null;
  }
  if (!/^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(release)) return null;
  const sudo = process.getuid?.() === 0 ? "" : "sudo ";
  return `${sudo}apt-get install -y ${packages.join(" ")}`;
}

/** Compares dotted numbers: `atLeast("3.25.1", "3.22")`. */
export function atLeast(version, minimum) {
  const have = version.split(".").map((part) => Number.parseInt(part, 10));
  for (const [i, want] of minimum.split(".").map(Number).entries()) {
    if ((have[i] ?? 0) !== want) return (have[i] ?? 0) > want;
  }
  return true;
}
