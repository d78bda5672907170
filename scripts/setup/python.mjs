/** Python packages for checks, in the cache. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

import { cacheDirectory, makeOnce } from "./cache.mjs";
import { output, run } from "./process.mjs";
import { root, say } from "./project.mjs";
import { requireFetchTools } from "./tools.mjs";

/** PyTorch and transformers: hundreds of megabytes. */
const PARITY = "test/parity/requirements.txt";

/** What reads event files. */
export const TENSORBOARD = "scripts/checks/tensorboard-requirements.txt";

/**
 * The packages of a requirements file in a folder for PYTHONPATH. Not a virtual environment: many a system's Python
 * comes without the module that makes one.
 */
export async function pythonPackages(requirements = PARITY) {
  requireFetchTools();
  const file = path.join(root, requirements);
  const python = output("python3", ["-c", "import sys; print(sys.implementation.cache_tag)"]);
  const wanted = createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 12);
  const name =
    requirements === PARITY ? "parity" : path.basename(requirements, "-requirements.txt");
  const target = path.join(cacheDirectory(), "python", `${name}-${python}-${wanted}`);
  await makeOnce(target, async (folder) => {
    say(`fetching the Python packages of ${requirements} with pip`);
    const options = ["--disable-pip-version-check", "--no-warn-script-location"];
    const args = ["-m", "pip", "install", ...options, "--target", folder, "--requirement", file];
    await run("python3", args, { what: `installing the packages of ${requirements}` });
  });
  return target;
}
