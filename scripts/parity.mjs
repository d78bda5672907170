/**
 * The live comparison with PyTorch and transformers: `npm run test:parity`. Brings what it needs, once each: the
 * addon, the native tool, the MiniLM encoder and a folder of Python packages. What follows is for test/parity/run.py,
 * e.g. `npm run test:parity -- --only tiny`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

import { minilm } from "./assets.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { buildTool } from "./setup/addon.mjs";
import { cacheDirectory, makeOnce } from "./setup/cache.mjs";
import { output, run } from "./setup/process.mjs";
import { root, say } from "./setup/project.mjs";
import { requireFetchTools } from "./setup/tools.mjs";

const FOLDER = path.join(root, "test", "parity");
const REQUIREMENTS = path.join(FOLDER, "requirements.txt");

/**
 * The packages of requirements.txt in a folder for PYTHONPATH. Not a virtual environment: many a system's Python
 * comes without the module that makes one.
 */
async function pythonPackages() {
  requireFetchTools();
  const python = output("python3", ["-c", "import sys; print(sys.implementation.cache_tag)"]);
  const wanted = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  const target = path.join(cacheDirectory(), "python", `parity-${python}-${wanted}`);
  await makeOnce(target, async (folder) => {
    say("fetching PyTorch and transformers with pip (hundreds of megabytes)");
    const options = ["--disable-pip-version-check", "--no-warn-script-location"];
    const args = [
      "-m",
      "pip",
      "install",
      ...options,
      "--target",
      folder,
      "--requirement",
      REQUIREMENTS,
    ];
    await run("python3", args, { what: "installing the packages of test/parity/requirements.txt" });
  });
  return target;
}

await reportingFailure(async () => {
  const libtorch = await setUp();
  const tool = await buildTool(libtorch, "bertcnn_parity");
  const encoder = await minilm();
  const packages = await pythonPackages();
  const fixed = ["--tool", tool, "--minilm", encoder, "--node", process.execPath];
  const args = [path.join(FOLDER, "run.py"), ...fixed, ...process.argv.slice(2)];
  const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };
  const { status } = spawnSync("python3", args, { stdio: "inherit", env });
  process.exitCode = status ?? 1;
});
