/** Builds the fuzzers, by a clang that has libFuzzer, and makes their first inputs. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { output, run } from "../setup/process.mjs";
import { root, SetupError } from "../setup/project.mjs";

/** Everything that fuzzing makes. */
export const BUILD = path.join(root, "build-fuzz");
export const SEEDS = path.join(BUILD, "seeds");
const OLDEST_CLANG = 14;
const NEWEST_CLANG = 22;
const PROBE =
  'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n';

/**
 * @param {string} source a folder with CMakeLists.txt, native/ and test/fuzz/
 * @param {string} folder where to build
 * @param {string} [target] only this fuzzer
 * @returns {Promise<(target: string) => string>} where a fuzzer's program is
 */
export async function buildFuzzers(source, folder, target) {
  const log = path.join(BUILD, "build.log");
  const compiler = findClang();
  const generator = output("ninja", ["--version"]) === null ? [] : ["-G", "Ninja"];
  const options = [`-DCMAKE_CXX_COMPILER=${compiler}`, "-DBERTCNN_BUILD_FUZZERS=ON"];
  await run("cmake", ["-S", source, "-B", folder, ...generator, ...options], {
    what: "configuring the fuzzers",
    log,
  });
  const wanted = target ? ["--target", `fuzz_${target}`] : [];
  const jobs = ["--parallel", String(os.availableParallelism())];
  await run("cmake", ["--build", folder, ...wanted, ...jobs], {
    what: "building the fuzzers",
    log,
  });
  return (name) => path.join(folder, "test", "fuzz", `fuzz_${name}`);
}

export async function makeSeeds() {
  rmSync(SEEDS, { recursive: true, force: true });
  mkdirSync(SEEDS, { recursive: true });
  const script = path.join(root, "test", "fuzz", "seeds.py");
  await run("python3", [script, SEEDS], { what: "making the first inputs" });
}

/** `CXX`, else the first clang that is installed and can link a fuzzer. */
function findClang(env = process.env) {
  const versions = Array.from(
    { length: NEWEST_CLANG - OLDEST_CLANG + 1 },
    (_, i) => NEWEST_CLANG - i,
  );
  const usual = ["clang++", ...versions.map((version) => `clang++-${version}`)];
  const found = [env.CXX, ...usual].find((command) => command && linksFuzzers(command));
  if (!found) {
    throw new SetupError(
      "missing: clang with libFuzzer. To install: apt-get install -y clang libclang-rt-dev llvm",
    );
  }
  return found;
}

function linksFuzzers(command) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "bertcnn-probe-"));
  try {
    const source = path.join(folder, "probe.cc");
    writeFileSync(source, PROBE);
    const args = ["-fsanitize=fuzzer,address,undefined", source, "-o", path.join(folder, "probe")];
    return spawnSync(command, args, { stdio: "ignore" }).status === 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
