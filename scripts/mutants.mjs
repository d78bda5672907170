/**
 * Breaks lines of the code one at a time, in a copy of the checkout, and has the tests run that should notice: `npm run
 * test:mutants [-- --count N --seed N --quick]`. Of 30 mistakes (test/mutants.mjs) at least 28 must be noticed. `--count`
 * tries as many of them, others for another seed; `--quick` leaves out those in what is compiled with libtorch.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { copyCheckout } from "./checks/copy-checkout.mjs";
import { wholeNumbers } from "./checks/whole-numbers.mjs";
import { randomNumbers, shuffled } from "./demo/ratings.mjs";
import { plant } from "./fuzz/planted.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { output, run } from "./setup/process.mjs";
import { requireFromHere, root, SetupError } from "./setup/project.mjs";
import { mutants } from "../test/mutants.mjs";

const COPY = path.join(root, "build", "mutants");
// Where the checkout's own lies in it, so that ccache finds what that has compiled.
const BUILD = path.join(COPY, "build", "cmake");
const CACHED = { CCACHE_BASEDIR: COPY, CCACHE_NOHASHDIR: "true" };
const UNNOTICED = 2; // of all 30
const PATIENCE = 180_000; // milliseconds for a program of tests

await reportingFailure(async () => {
  const { count, seed, quick } = readArguments();
  const libtorch = await setUp();
  copyCheckout(COPY, { linked: ["node_modules", "lib", "dist"] });
  const possible = mutants.filter(({ native }) => !(quick && native === "model"));
  const chosen = shuffled(possible, randomNumbers(seed)).slice(0, count);
  const rooms = [...new Set(chosen.flatMap(({ native }) => native ?? []))];
  await configure(libtorch);
  for (const room of rooms) await build(room);
  await checkUnchanged(chosen);
  let noticed = 0;
  for (const mutant of chosen) {
    const seen = await notices(mutant);
    noticed += seen ? 1 : 0;
    const what = `${mutant.good.slice(0, 60)} -> ${mutant.bad.slice(0, 60)}`;
    console.log(`${seen ? "noticed" : "NOT NOTICED"}: ${mutant.file}: ${what}`);
  }
  console.log(`${String(noticed)} of ${String(chosen.length)} mistakes noticed`);
  const unnoticed = Math.floor((UNNOTICED * chosen.length) / mutants.length);
  if (noticed < chosen.length - unnoticed) process.exitCode = 1;
});

function readArguments() {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: String(mutants.length) },
      seed: { type: "string", default: "0" },
      quick: { type: "boolean", default: false },
    },
  });
  return { ...wholeNumbers(values, { count: 1, seed: 0 }), quick: values.quick };
}

async function configure(libtorch) {
  const generator = output("ninja", ["--version"]) === null ? [] : ["-G", "Ninja"];
  const options = ["-DBERTCNN_BUILD_TESTS=ON", `-DBERTCNN_LIBTORCH=${libtorch.directory}`];
  await run("cmake", ["-S", COPY, "-B", BUILD, ...generator, ...options], {
    what: "configuring the tests",
    env: { ...CACHED, ...process.env },
  });
}

function build(room) {
  const jobs = ["--parallel", String(os.availableParallelism())];
  return run("cmake", ["--build", BUILD, "--target", `${room}_tests`, ...jobs], {
    what: "building the tests",
    env: { ...CACHED, ...process.env },
  });
}

/** A test that fails by itself would seem to notice everything. */
async function checkUnchanged(chosen) {
  const all = new Map(chosen.map((mutant) => [mutant.native ?? mutant.jest, mutant]));
  for (const [name, mutant] of all) {
    if (await testsFail(mutant))
      throw new SetupError(`the tests of ${name} fail without a mistake`);
  }
}

/** Whether a test fails with the mistake. */
async function notices(mutant) {
  const file = path.join(COPY, mutant.file);
  const whole = readFileSync(file, "utf8");
  writeFileSync(file, plant(whole, { what: mutant.good, ...mutant }));
  try {
    return await testsFail(mutant);
  } finally {
    writeFileSync(file, whole);
  }
}

async function testsFail({ native, jest }) {
  if (native) {
    await build(native);
    const options = ["--gtest_brief=1", "--gtest_fail_fast"];
    return fails(path.join(BUILD, `${native}_tests`), options);
  }
  const program = path.join(
    path.dirname(requireFromHere.resolve("jest/package.json")),
    "bin/jest.js",
  );
  return fails(process.execPath, [program, "--bail", "--testPathPatterns", `test/unit/${jest}`]);
}

/** A test that does not end is one that fails. */
function fails(command, args) {
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const options = { cwd: COPY, env, stdio: "ignore", timeout: PATIENCE, killSignal: "SIGKILL" };
  const made = spawnSync(command, args, options);
  if (made.error && made.error.code !== "ETIMEDOUT") throw made.error;
  return made.status !== 0;
}
