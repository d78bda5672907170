// The side of `@huggingface/tokenizers` in the tokenizer benchmark; see worker.mjs.
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { directory, peer, serve } from "./worker.mjs";

const read = (name) => JSON.parse(readFileSync(path.join(directory, name), "utf8"));
const { Tokenizer } = await import(pathToFileURL(path.join(peer, "dist", "tokenizers.mjs")).href);
const tokenizer = new Tokenizer(read("tokenizer.json"), read("tokenizer_config.json"));

serve({
  encode: (texts) => texts.reduce((tokens, text) => tokens + tokenizer.encode(text).ids.length, 0),
});
