/** Python packages for checks, in the cache. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";

import { cacheDirectory, makeOnce } from "./cache.mjs";
import { output, run } from "./process.mjs";
import { root, say } from "./project.mjs";
import { requireFetchTools } from "./tools.mjs";

const REQUIREMENTS = path.join(root, "test", "parity", "requirements.txt");

/**
 * The packages of test/parity/requirements.txt in a folder for PYTHONPATH. Not a virtual environment: many a
 * system's Python comes without the module that makes one.
 */
export async function pythonPackages() {
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
