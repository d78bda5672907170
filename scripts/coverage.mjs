// How much of the code the tests reach: C++ by GoogleTest and gcovr, TypeScript by Jest. Prints a line for
// each room of native/ and a total for both: `npm run coverage [-- --native | --typescript]`. The details
// are in coverage/native/index.html and coverage/lcov-report/index.html.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { setUp } from "./setup.mjs";
import { requireFromHere, root } from "./setup/project.mjs";

const BUILD = path.join(root, "build-coverage");
const REPORTS = path.join(root, "coverage");

/** @typedef {{ covered: number, total: number }} Count */

const { values } = parseArgs({
  options: { native: { type: "boolean" }, typescript: { type: "boolean" } },
});
const both = !values.native && !values.typescript;
const libtorch = await setUp();
if (both || values.native) native(libtorch.directory);
if (both || values.typescript) typescript();

/** @param {string} libtorch */
function native(libtorch) {
  // What a former build counted would not fit the code.
  rmSync(BUILD, { recursive: true, force: true });
  // Without optimisation a line of the report is a line of the source, and ATen's headers compile faster.
  // libtorch was built with NDEBUG: without it some classes of its headers have other members.
  run("cmake", [
    ...[
      "-S",
      root,
      "-B",
      BUILD,
      "-DCMAKE_BUILD_TYPE=Debug",
      "-DCMAKE_CXX_FLAGS_DEBUG=-O0 -DNDEBUG",
    ],
    ...["-DBERTCNN_COVERAGE=ON", "-DBERTCNN_BUILD_TESTS=ON", `-DBERTCNN_LIBTORCH=${libtorch}`],
  ]);
  run("cmake", ["--build", BUILD, "--parallel", String(availableParallelism())]);
  run("ctest", [
    "--test-dir",
    BUILD,
    "--output-on-failure",
    "--parallel",
    String(availableParallelism()),
  ]);

  const folder = path.join(REPORTS, "native");
  const summary = path.join(folder, "summary.json");
  mkdirSync(folder, { recursive: true });
  run("gcovr", [
    ...["--root", root, "--object-directory", BUILD, "--filter", "native/"],
    // gcc counts a branch for every call that might throw; nobody can test those.
    ...["--exclude-throw-branches", "--json-summary", summary],
    // gcov derives a branch's count from others, and is off by one where exceptions leave: "taken -1".
    "--gcov-ignore-parse-errors",
    ...["--html-details", path.join(folder, "index.html"), "--delete"],
    BUILD,
  ]);
  /** @type {{ filename: string, line_covered: number, line_total: number, branch_covered: number, branch_total: number }[]} */
  const files = JSON.parse(readFileSync(summary, "utf8")).files;
  const rooms = [...new Set(files.map(room))].sort();
  for (const name of rooms)
    print(
      `  ${name}`,
      files.filter((file) => room(file) === name),
    );
  print("C++", files);
}

function typescript() {
  const jest = path.join(
    path.dirname(requireFromHere.resolve("jest/package.json")),
    "bin",
    "jest.js",
  );
  const reporters = ["json-summary", "lcov"].map((name) => `--coverageReporters=${name}`);
  run(process.execPath, [jest, "--coverage", `--coverageDirectory=${REPORTS}`, ...reporters]);
  const { total } = JSON.parse(readFileSync(path.join(REPORTS, "coverage-summary.json"), "utf8"));
  printCounts("TypeScript", total.lines, total.branches);
}

function room({ filename }) {
  return path.dirname(filename);
}

function print(title, files) {
  const sum = (/** @type {string} */ kind) => ({
    covered: files.reduce((count, file) => count + file[`${kind}_covered`], 0),
    total: files.reduce((count, file) => count + file[`${kind}_total`], 0),
  });
  printCounts(title, sum("line"), sum("branch"));
}

/**
 * @param {string} title
 * @param {Count} lines
 * @param {Count} branches
 */
function printCounts(title, lines, branches) {
  console.log(`${title}: ${share(lines)} of lines, ${share(branches)} of branches`);
}

/** @param {Count} count */
function share({ covered, total }) {
  return `${total === 0 ? "-" : ((100 * covered) / total).toFixed(1)} % (${covered} of ${total})`;
}

function run(program, args) {
  execFileSync(program, args, { cwd: root, stdio: "inherit" });
}
