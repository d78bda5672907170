/** Compiles src/ to dist/. An installed package brings its dist/ and has no src/. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { fingerprint } from "./fingerprint.mjs";
import { run } from "./process.mjs";
import { isCheckout, requireFromHere, root, say } from "./project.mjs";

const DIST = path.join(root, "dist");
const STAMP = path.join(DIST, ".fingerprint");
const PROJECT = "tsconfig.build.json";

export function typescriptIsCurrent() {
  if (!isCheckout) return true;
  return existsSync(STAMP) && readFileSync(STAMP, "utf8") === sourcesFingerprint();
}

export async function compileTypescript({ verbose = false } = {}) {
  say("compiling the TypeScript");
  const tsc = requireFromHere.resolve("typescript/bin/tsc");
  const before = sourcesFingerprint();
  // What a source that is gone left behind must not be packed.
  rmSync(DIST, { recursive: true, force: true });
  await run(process.execPath, [tsc, "-p", path.join(root, PROJECT)], {
    what: "tsc",
    cwd: root,
    verbose,
  });
  writeFileSync(STAMP, before);
}

function sourcesFingerprint() {
  const { version } = requireFromHere("typescript/package.json");
  return fingerprint(["src", "tsconfig.json", PROJECT], { version });
}
