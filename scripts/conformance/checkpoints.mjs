/**
 * Every kind of checkpoint that is read, and what is refused, against PyTorch: `npm run conformance:checkpoints`.
 * Brings the addon and a folder of Python packages first, once each.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";

import { reportingFailure, setUp } from "../setup.mjs";
import { root } from "../setup/project.mjs";
import { pythonPackages } from "../setup/python.mjs";

await reportingFailure(async () => {
  await setUp();
  const packages = await pythonPackages();
  const script = path.join(root, "test", "conformance", "checkpoints", "run.py");
  const args = [script, "--node", process.execPath, ...process.argv.slice(2)];
  const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };
  const { status } = spawnSync("python3", args, { stdio: "inherit", env });
  process.exitCode = status ?? 1;
});
