// bertcnn through its public interface. Settings: `dtype` and `threads`.
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { BertCnn } from "../../../dist/index.js";
import { rowsOf, serve } from "./peer.mjs";
import { tokenBatch } from "./tokens.mjs";

const root = fileURLToPath(new URL("../../..", import.meta.url));
let model;

/** Ways to hand the texts over: `call`, all in one; `requests`, each by itself, all at once; `alone`, one by one. */
async function feed({ texts }, mode) {
  const areIds = typeof texts[0] !== "string";
  const groups = mode === "call" ? [texts] : texts.map((text) => [text]);
  const inputs = areIds ? groups.map(tokenBatch) : groups;
  const begin = performance.now();
  const results = [];
  if (mode === "alone") for (const input of inputs) results.push(await model.predict(input));
  else results.push(...(await Promise.all(inputs.map((input) => model.predict(input)))));
  const seconds = (performance.now() - begin) / 1000;
  const logits = results.flatMap(({ logits: { data, dims } }) => rowsOf(data, dims[0]));
  return { seconds, logits };
}

await serve({
  padding: "ignored",
  feed,
  async load(folder, { dtype, threads }) {
    const options = { device: "cpu", dtype, threads };
    model = await BertCnn.fromPretrained(folder, options);
    const { version } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
    return { bertcnn: version, settings: `dtype ${dtype}, threads ${JSON.stringify(threads)}` };
  },
});
