/** `node-gyp rebuild`, which npm and Electron's rebuilder call, gives the same addon as `npm run build`. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

import { logitsOf, programs, runProgram } from "./checks/predict.mjs";
import { equal, must, shows } from "./checks/steps.mjs";
import { requireFromHere, root } from "./setup/project.mjs";
import { setUp } from "./setup.mjs";

const ADDON = path.join(root, "lib", "bertcnn.node");
const PREDICT = programs.CommonJS(path.join(root, "dist", "index.cjs"));

await setUp();
const before = { sha256: sha256(ADDON), logits: logitsOf(runProgram(PREDICT)) };
rmSync(ADDON);

// Where Node's own headers lie beside it, node-gyp need not download them.
const prefix = path.dirname(path.dirname(process.execPath));
const headers = existsSync(path.join(prefix, "include", "node", "node_api.h"));
const nodeGyp = requireFromHere.resolve("node-gyp/bin/node-gyp.js");
must(process.execPath, [nodeGyp, "rebuild", ...(headers ? [`--nodedir=${prefix}`] : [])]);

await shows("node-gyp rebuild gives the same addon, byte for byte", () =>
  equal(sha256(ADDON), before.sha256, "SHA-256 of the addon"),
);
await shows("and it predicts the same", () =>
  equal(logitsOf(runProgram(PREDICT)), before.logits, "logits"),
);

function sha256(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
