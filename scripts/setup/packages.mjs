/** The npm packages of a source checkout, by `npm ci`. */
import { createHash } from "node:crypto";
import { existsSync, lstatSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";

import { run } from "./process.mjs";
import { root, say, SetupError } from "./project.mjs";

const LOCK = path.join(root, "package-lock.json");
/** npm writes this file last, so that it is missing where npm was interrupted. */
const INSTALLED = path.join(root, "node_modules", ".package-lock.json");
/** A development dependency that set-up itself needs: npm leaves all of them out where it is told to. */
const DEVELOPMENT = path.join(root, "node_modules", "typescript");
const STAMP = path.join(root, "node_modules", ".bertcnn-packages");

/** Whether node_modules is what package-lock.json asks for: by our stamp, else (npm was run by hand) by time. */
export function packagesAreCurrent() {
  const installed = modified(INSTALLED);
  if (installed === null || !existsSync(DEVELOPMENT)) return false;
  return readStamp() === lockHash() || installed >= modified(LOCK);
}

export async function installPackages({ verbose = false } = {}) {
  refuseLink(path.join(root, "node_modules"));
  say("installing the npm packages");
  // Development dependencies under NODE_ENV=production and `omit=dev` too: the build needs them.
  const args = ["ci", "--include=dev", "--no-audit", "--no-fund"];
  // Under `npm run` the same npm; yarn and pnpm also set npm_execpath, to themselves.
  const npm = process.env.npm_execpath ?? "";
  const what = "npm ci";
  if (path.basename(npm) === "npm-cli.js") {
    await run(process.execPath, [npm, ...args], { what, cwd: root, verbose });
  } else {
    await run("npm", args, { what, cwd: root, verbose });
  }
  writeFileSync(STAMP, lockHash());
}

/** `npm ci` would follow the link and empty a folder that is another project's. */
function refuseLink(folder) {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new SetupError(
    `${folder} is a symbolic link and does not fit package-lock.json. Remove the link, or run 'npm ci' where it points.`,
  );
}

function lockHash() {
  return createHash("sha256").update(readFileSync(LOCK)).digest("hex");
}

function readStamp() {
  try {
    return readFileSync(STAMP, "utf8");
  } catch {
    return null;
  }
}

function modified(file) {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return null;
  }
}
