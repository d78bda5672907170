// Asks an addon for a CUDA device and for 'auto', and prints what comes of it: cuda-child.mjs ADDON.
import { createRequire } from "node:module";
import path from "node:path";

import { root } from "../setup/project.mjs";

const require = createRequire(import.meta.url);
const { loadAddon } = require("../../dist/loader.cjs");
require("../../dist/native-module.cjs").replaceNativeModule(
  loadAddon(path.dirname(process.argv[2])),
);
const { BertCnn } = await import("../../dist/index.js");

const MODEL = path.join(root, "test", "fixtures", "models", "tiny-frozen");
const warnings = [];
process.on("warning", ({ name, message }) => {
  if (name === "BertCnnWarning") warnings.push(message);
});

const refusal = await BertCnn.fromPretrained(MODEL, { device: "cuda" }).catch((error) => error);
const models = [];
for (let i = 0; i < 2; ++i) {
  models.push(await BertCnn.fromPretrained(MODEL, { device: "auto", threads: 1 }));
}
// 'auto' must compute, not only load.
await models[0].predict(["a film that earns every minute"]);
const { device } = models[0];
await Promise.all(models.map((model) => model.dispose()));
console.log(
  JSON.stringify({ code: refusal.code, message: String(refusal.message), device, warnings }),
);
