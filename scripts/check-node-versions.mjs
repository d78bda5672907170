/** One addon binary serves every Node.js version that is supported: the same file, the same logits. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { logitsOf, programs, runProgram } from "./checks/predict.mjs";
import { equal, inTemporaryFolder, must, shows } from "./checks/steps.mjs";
import { root } from "./setup/project.mjs";
import { setUp } from "./setup.mjs";

const MAJORS = [20, 22, 24];

await setUp();
const here = logitsOf(runProgram(programs.CommonJS(path.join(root, "dist", "index.cjs"))));
await inTemporaryFolder(async (folder) => {
  for (const major of MAJORS) {
    const node = install(path.join(folder, String(major)), major);
    const version = must(node, ["--version"]).trim();
    await shows(`Node.js ${version} predicts the same under CommonJS and ESM`, () => {
      equal(version.split(".")[0], `v${major}`, "version");
      const commonJs = programs.CommonJS(path.join(root, "dist", "index.cjs"));
      const esm = programs.ESM(path.join(root, "dist", "index.js"));
      equal(logitsOf(runProgram(commonJs, { node })), here, "logits under CommonJS");
      equal(logitsOf(runProgram(esm, { node })), here, "logits under ESM");
    });
  }
});

/** From npm packages that hold nothing but Node.js itself. */
function install(folder, major) {
  mkdirSync(folder);
  writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
  const name = `node-linux-${process.arch}`;
  must("npm", ["install", "--no-save", "--no-audit", "--no-fund", `${name}@${major}`], {
    cwd: folder,
  });
  return path.join(folder, "node_modules", name, "bin", "node");
}
