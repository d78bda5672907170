/** Builds and runs the C++ tests by CTest; says so where GoogleTest is not installed. */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import path from "node:path";

import { buildNativeTests } from "./setup/addon.mjs";
import { isProgram, say } from "./setup/project.mjs";
import { findCompiler } from "./setup/tools.mjs";
import { reportingFailure, setUp } from "./setup.mjs";

/**
 * @param {import("./setup/libtorch.mjs").Libtorch} libtorch
 * @returns {Promise<boolean>} false: a test failed
 */
export async function runNativeTests(libtorch) {
  if (!hasGoogleTest()) {
    say(
      "C++ tests: not run, for GoogleTest is not installed (Debian, Ubuntu: apt-get install -y libgtest-dev)",
    );
    return true;
  }
  const folder = await buildNativeTests(libtorch);
  const jobs = ["--parallel", String(availableParallelism())];
  const args = [
    "--test-dir",
    folder,
    ...jobs,
    "--progress",
    "--output-on-failure",
    "--no-tests=error",
  ];
  const reports = process.env.BERTCNN_TEST_REPORTS;
  if (reports) args.push("--output-junit", path.resolve(reports, "ctest.xml"));
  return spawnSync("ctest", args, { stdio: "inherit" }).status === 0;
}

function hasGoogleTest() {
  const compiler = findCompiler();
  if (!compiler) return false;
  const probe = { input: "#include <gtest/gtest.h>\n", stdio: ["pipe", "ignore", "ignore"] };
  return spawnSync(compiler.command, ["-E", "-x", "c++", "-"], probe).status === 0;
}

if (isProgram(import.meta.url)) {
  await reportingFailure(async () => {
    if (!(await runNativeTests(await setUp()))) process.exitCode = 1;
  });
}
