/**
 * The tests under sanitizers: `npm run test:sanitizers [-- --quick] [-- --planted]`.
 *
 * - memory: AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer over the C++ tests, and over Jest with an
 *   addon that is built so
 * - threads: ThreadSanitizer over the C++ tests that need no libtorch, whose threads are all ours
 *
 * `--quick` leaves out what is compiled with libtorch, `--jest` the C++ tests. `--planted` plants bugs in a copy of the
 * sources, and succeeds where each is found. What is suppressed is in test/sanitizers/, with its reason.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { copyCheckout } from "./checks/copy-checkout.mjs";
import { must } from "./checks/steps.mjs";
import { plant } from "./fuzz/planted.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { buildOtherAddon } from "./setup/addon.mjs";
import { output as readOutput, run } from "./setup/process.mjs";
import { requireFromHere, root, say, SetupError } from "./setup/project.mjs";
import { planted } from "../test/sanitizers/planted.mjs";

const WITHOUT_LIBTORCH = ["json", "text", "checkpoint", "engine", "cuda_host"];
const ALL = [...WITHOUT_LIBTORCH, "model"];
// Fast enough to test with, and lines in the traces. libtorch was built with NDEBUG: its headers must be, too.
const FLAGS = "-O1 -g1 -DNDEBUG -fno-sanitize-recover=all -fno-sanitize=vptr";
const SUPPRESSIONS = (name) => path.join(root, "test", "sanitizers", `${name}.supp`);
const ENVIRONMENT = {
  ASAN_OPTIONS: "detect_leaks=1:detect_stack_use_after_return=1:strict_init_order=1",
  LSAN_OPTIONS: `suppressions=${SUPPRESSIONS("leaks")}:print_suppressions=0`,
  UBSAN_OPTIONS: "print_stacktrace=1",
  TSAN_OPTIONS: `suppressions=${SUPPRESSIONS("threads")}:print_suppressions=0`,
  OMP_NUM_THREADS: "1",
};
const SANITIZERS = { memory: "address,undefined", threads: "thread" };

await reportingFailure(async () => {
  const { quick, jest, planted: findPlanted } = readArguments();
  const libtorch = await setUp();
  if (findPlanted) return tellPlanted(libtorch);
  if (jest) return tell("memory", "Jest", await testJest(libtorch));
  const rooms = quick ? WITHOUT_LIBTORCH : ALL;
  tell("memory", "C++ tests", await testNative("memory", rooms, libtorch));
  tell("threads", "C++ tests", await testNative("threads", WITHOUT_LIBTORCH, libtorch));
  if (!quick) tell("memory", "Jest", await testJest(libtorch));
});

function readArguments() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      jest: { type: "boolean", default: false },
      planted: { type: "boolean", default: false },
    },
  });
  return values;
}

function tell(kind, what, { status, tests, report }) {
  const well = status === 0;
  console.log(`${well ? "ok" : "FAILED"}: ${SANITIZERS[kind]}: ${what}: ${tests}`);
  if (well) return;
  console.log(report.slice(-8000));
  process.exitCode = 1;
}

/** Builds programs of tests, of this checkout or of a copy. */
async function build(kind, rooms, libtorch, source = root, folder = `sanitize-${kind}`) {
  const place = path.join(root, "build", folder);
  const generator = readOutput("ninja", ["--version"]) === null ? [] : ["-G", "Ninja"];
  const definitions = {
    CMAKE_BUILD_TYPE: "RelWithDebInfo",
    CMAKE_CXX_FLAGS_RELWITHDEBINFO: FLAGS,
    BERTCNN_SANITIZE: SANITIZERS[kind],
    BERTCNN_BUILD_TESTS: "ON",
    BERTCNN_LIBTORCH: libtorch.directory,
  };
  const options = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
  const log = path.join(root, "build", `${folder}.log`);
  await run("cmake", ["-S", source, "-B", place, ...generator, ...options], {
    ...{ what: "configuring the tests", log },
  });
  const targets = rooms.map((room) => `${room}_tests`);
  const jobs = ["--parallel", String(os.availableParallelism())];
  await run("cmake", ["--build", place, "--target", ...targets, ...jobs], {
    ...{ what: "building the tests", log },
  });
  return place;
}

async function testNative(kind, rooms, libtorch) {
  say(`building C++ tests with ${SANITIZERS[kind]}: ${rooms.join(", ")}`);
  const place = await build(kind, rooms, libtorch);
  return runTests(place, rooms);
}

function runTests(place, rooms) {
  let [tests, report, status] = [0, "", 0];
  for (const room of rooms) {
    const made = spawnSync(path.join(place, `${room}_tests`), [], {
      env: { ...process.env, ...ENVIRONMENT },
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    tests += Number(/\[ {2}PASSED {2}\] (\d+) tests?/.exec(made.stdout)?.[1] ?? 0);
    if (made.status === 0) continue;
    status = made.status ?? 1;
    report += `${room}: ${String(made.signal ?? made.status)}\n${made.stdout.slice(-4000)}\n${made.stderr}`;
  }
  return { status, tests: `${String(tests)} passed`, report };
}

async function testJest(libtorch) {
  say("building the addon with address,undefined");
  const addon = await buildOtherAddon(libtorch, "sanitize-addon", {
    CMAKE_BUILD_TYPE: "RelWithDebInfo",
    CMAKE_CXX_FLAGS_RELWITHDEBINFO: FLAGS,
    BERTCNN_SANITIZE: SANITIZERS.memory,
  });
  // In a copy, so that workers and child processes load it, too.
  const copy = path.join(root, "build", "sanitize-checkout");
  copyCheckout(copy, { linked: ["node_modules"], copied: ["dist", "lib"] });
  copyFileSync(addon, path.join(copy, "lib", "bertcnn.node"));
  const jest = path.join(path.dirname(requireFromHere.resolve("jest/package.json")), "bin/jest.js");
  const preload = readOutput(process.env.CXX ?? "c++", ["-print-file-name=libasan.so"])?.trim();
  if (!preload) throw new SetupError("missing: the compiler's libasan.so");
  const log = path.join(root, "build", "sanitize-jest.log");
  const reports = path.join(root, "build", "sanitize-reports");
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports);
  // Reports of all processes go to files, and leave their exit codes alone, which tests look at.
  const asan = `${ENVIRONMENT.ASAN_OPTIONS}:log_path=${reports}/report:exitcode=0`;
  const output = openSync(log, "w");
  const made = spawnSync(process.execPath, [jest, "-i", "--testTimeout", "600000"], {
    cwd: copy,
    env: { ...process.env, ...ENVIRONMENT, ASAN_OPTIONS: asan, LD_PRELOAD: preload },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const printed = readFileSync(log, "utf8");
  const end = `ended by ${String(made.signal ?? made.status)}`;
  const tests = /^Tests: +(.*)$/m.exec(printed)?.[1] ?? end;
  const found = readdirSync(reports).flatMap((name) =>
    findingsIn(readFileSync(path.join(reports, name), "utf8")),
  );
  const status = found.length > 0 ? 1 : (made.status ?? 1);
  return { status, tests, report: [printed, ...found].join("\n\n") };
}

/** Of a process's report what is about us: mistakes, and leaks that have the addon on their stack. */
function findingsIn(report) {
  if (!report.includes("detected memory leaks")) return [report];
  return report.split(/\n\n/).filter((leak) => /bertcnn(::|\.node)/.test(leak));
}

/** In copies, one bug after another, so that each build compiles one file. */
async function tellPlanted(libtorch) {
  for (const kind of Object.keys(SANITIZERS)) copySources(kind);
  for (const bug of planted) {
    const source = copyOf(bug.kind);
    const file = path.join(source, bug.file);
    const whole = readFileSync(file, "utf8");
    writeFileSync(file, plant(whole, bug));
    const place = await build(bug.kind, [bug.room], libtorch, source, `planted-${bug.kind}/build`);
    writeFileSync(file, whole);
    const { status, report } = runTests(place, [bug.room]);
    const found = status !== 0 && report.includes(bug.says);
    console.log(`${found ? "ok" : "FAILED"}: a planted bug is found: ${bug.what}`);
    if (found) continue;
    console.log(report.slice(-4000));
    process.exitCode = 1;
  }
}

function copyOf(kind) {
  return path.join(root, "build", `planted-${kind}`);
}

/** Files that are equal already keep their times, so that what was built is not built again. */
function copySources(kind) {
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const parts = ["CMakeLists.txt", "native", "test/native", "test/fixtures"];
  for (const name of must("git", [...list, ...parts])
    .split("\0")
    .filter(Boolean)) {
    const [from, to] = [path.join(root, name), path.join(copyOf(kind), name)];
    if (!existsSync(from)) continue;
    const bytes = readFileSync(from);
    if (existsSync(to) && bytes.equals(readFileSync(to))) continue;
    mkdirSync(path.dirname(to), { recursive: true });
    writeFileSync(to, bytes);
  }
}
