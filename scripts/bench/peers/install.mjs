/** The peers' packages, in the cache: requirements.txt for Python, npm/ for Node.js. No dependencies of this package. */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { cacheDirectory, makeOnce } from "../../setup/cache.mjs";
import { output, run } from "../../setup/process.mjs";
import { say } from "../../setup/project.mjs";

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const REQUIREMENTS = path.join(FOLDER, "requirements.txt");
const NPM_FILES = ["package.json", "package-lock.json"];

/** Where the packages are or will be: folders for PYTHONPATH and for Node.js, by what they are made of. */
function places() {
  const python = output("python3", ["-c", "import sys; print(sys.implementation.cache_tag)"]);
  const npm = path.join(FOLDER, "npm", "package-lock.json");
  const cache = cacheDirectory();
  return {
    python: path.join(cache, "python", `peers-${python}-${shortHash(REQUIREMENTS)}`),
    npm: path.join(cache, "npm", `bench-peers-${shortHash(npm)}`),
  };
}

function shortHash(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 12);
}

/** The folders of the packages that are installed; null for what is not. */
export function installedPeers() {
  const found = Object.entries(places()).map(([kind, place]) => [kind, existsSync(place) && place]);
  return Object.fromEntries(found.map(([kind, place]) => [kind, place || null]));
}

/** Installs what is missing. */
export async function installPeers() {
  const { python, npm } = places();
  await makeOnce(python, installPython);
  await makeOnce(npm, installNpm);
}

async function installPython(folder) {
  say("fetching the Python peers with pip (hundreds of megabytes)");
  // Without dependencies: all are named, but for those that the parity check's folder has already.
  const options = ["--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
  const args = ["-m", "pip", "install", ...options, "--target", folder, "-r", REQUIREMENTS];
  await run("python3", args, { what: "installing the peers' Python packages" });
}

async function installNpm(folder) {
  say("fetching the Node.js peers with npm (hundreds of megabytes)");
  for (const name of NPM_FILES) {
    copyFileSync(path.join(FOLDER, "npm", name), path.join(folder, name));
  }
  // Without scripts: those of onnxruntime-node fetch CUDA libraries.
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  await run("npm", args, { what: "installing the peers' npm packages", cwd: folder });
}
