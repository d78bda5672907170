/**
 * The live comparison with PyTorch and transformers: `npm run test:parity`. Brings what it needs, once each: the
 * addon, the native tool, the MiniLM encoder and a folder of Python packages. What follows is for test/parity/run.py,
 * e.g. `npm run test:parity -- --only tiny`.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";

import { minilm } from "./assets.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { buildTool } from "./setup/addon.mjs";
import { root } from "./setup/project.mjs";
import { pythonPackages } from "./setup/python.mjs";

const FOLDER = path.join(root, "test", "parity");

await reportingFailure(async () => {
  const libtorch = await setUp();
  const tool = await buildTool(libtorch, "bertcnn_parity");
  const encoder = await minilm();
  const packages = await pythonPackages();
  const fixed = ["--tool", tool, "--minilm", encoder, "--node", process.execPath];
  const args = [path.join(FOLDER, "run.py"), ...fixed, ...process.argv.slice(2)];
  const env = {
    ...process.env,
    PYTHONPATH: packages,
    PYTHONDONTWRITEBYTECODE: "1",
    GOMP_SPINCOUNT: "1000", // as src/loader.cts: threads that spin take the processor from those that compute
  };
  const { status } = spawnSync("python3", args, { stdio: "inherit", env });
  process.exitCode = status ?? 1;
});
