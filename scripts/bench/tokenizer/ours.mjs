// bertcnn's side of the tokenizer benchmark; see worker.mjs.
import { monitorEventLoopDelay } from "node:perf_hooks";

import { Tokenizer } from "../../../dist/index.js";
import { corpora, directory, serve } from "./worker.mjs";

const tokenizer = await Tokenizer.fromPretrained(directory);

function count(encodings) {
  return encodings.reduce((tokens, { ids }) => tokens + ids.length, 0);
}

serve({
  encode: (texts) => texts.reduce((tokens, text) => tokens + tokenizer.encode(text).ids.length, 0),
  encodeBatch: async (texts) => count(await tokenizer.encodeBatch(texts)),
  /** The event loop's longest delay in milliseconds while all texts are encoded several times. */
  delay: async () => {
    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    for (let i = 0; i < 5; i++) {
      for (const texts of Object.values(corpora)) await tokenizer.encodeBatch(texts);
    }
    histogram.disable();
    return histogram.max / 1e6;
  },
});
