/**
 * Builds and tests a copy of this checkout against the oldest and the newest supported libtorch that pip serves. The
 * copy stays in .cache/, so that a second run compiles only what has changed.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

import { must, shows } from "./checks/steps.mjs";
import { oldestAndNewestServed } from "./setup/libtorch.mjs";
import { root } from "./setup/project.mjs";
import { reportingFailure } from "./setup.mjs";

await reportingFailure(async () => {
  for (const version of oldestAndNewestServed()) await check(version);
});

async function check(version) {
  const copy = path.join(root, ".cache", `libtorch-${version}`);
  copyCheckout(copy);
  const env = { ...process.env, BERTCNN_TEST_REPORTS: "" };
  delete env.BERTCNN_LIBTORCH;
  run(["scripts/setup.mjs", "--libtorch-version", version], copy, env);
  run(["scripts/test.mjs"], copy, env);
  await shows(`libtorch ${version}: the tests pass`, () => {
    const info = JSON.parse(readFileSync(path.join(copy, "lib", "build-info.json"), "utf8"));
    if (!info.libtorch.version.startsWith(version)) throw new Error(info.libtorch.version);
  });
}

/** What git knows, or would take up, as it stands now. */
function copyCheckout(copy) {
  mkdirSync(copy, { recursive: true });
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  const files = must("git", list).split("\0").filter(Boolean);
  for (const place of ["src", "native", "binding", "test", "scripts"]) {
    rmSync(path.join(copy, place), { recursive: true, force: true });
  }
  for (const file of files) {
    const source = path.join(root, file);
    const options = { preserveTimestamps: true };
    if (existsSync(source)) cpSync(source, path.join(copy, file), options);
  }
}

function run(args, cwd, env) {
  const { status } = spawnSync(process.execPath, args, { cwd, env, stdio: "inherit" });
  if (status !== 0) throw new Error(`node ${args.join(" ")} failed in ${cwd}`);
}
