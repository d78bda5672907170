// bertcnn's side of the tokenizer benchmark; see worker.mjs.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

import { Tokenizer } from "../../../dist/index.js";
import { directory, serve } from "./worker.mjs";

const BATCH = 256;
const tokenizer = await Tokenizer.fromPretrained(directory);

function count(encodings) {
  return encodings.reduce((tokens, { ids }) => tokens + ids.length, 0);
}

async function encodeMany(texts) {
  for (let i = 0; i < 10; i++) await tokenizer.encodeBatch(texts);
}

async function longestDelay(work) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await work();
  histogram.disable();
  return histogram.max / 1e6;
}

serve({
  encode: (texts) => texts.reduce((tokens, text) => tokens + tokenizer.encode(text).ids.length, 0),
  encodeBatch: async (texts) => {
    let tokens = 0;
    for (let i = 0; i < texts.length; i += BATCH) {
      tokens += count(await tokenizer.encodeBatch(texts.slice(i, i + BATCH)));
    }
    return tokens;
  },
  encodeAll: async (texts) => count(await tokenizer.encodeBatch(texts)),
  /** The event loop's longest delay in milliseconds while many texts are encoded. */
  delay: async (texts) => longestDelay(() => encodeMany(texts)),
  /** The same while nothing is done. */
  idle: async (texts) => {
    const begin = performance.now();
    await encodeMany(texts);
    const duration = performance.now() - begin;
    return longestDelay(() => sleep(duration));
  },
});
