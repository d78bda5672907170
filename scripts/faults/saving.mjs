// Saves over and over, or downloads, until it is killed: saving.mjs TASK, where the task is JSON. Each save begins with
// an `s` in the marks and ends with an `S`. `check`: prints the logits of what is there instead.
import { appendFileSync, existsSync } from "node:fs";
import path from "node:path";

import { BertCnn } from "../../dist/index.js";

const { what, directory, folder, marks, check } = JSON.parse(process.argv[2]);
const OPTIONS = { labels: ["bad", "good"], variant: "fine-tune", threads: 1 };
const TEXTS = ["the movie was good", "bad"];

const load = (source, options) => BertCnn.fromPretrained(source, { ...OPTIONS, ...options });
const logitsOf = async (model) => Array.from((await model.predict(TEXTS)).logits.data);
const file = path.join(folder, "weights.safetensors");
process.env.HF_HUB_CACHE = folder;

async function mark(work) {
  appendFileSync(marks, "s");
  const done = await work();
  appendFileSync(marks, "S");
  return done;
}

const WORKS = {
  "save a model": async () => {
    const models = [await load(directory, { seed: 1 }), await load(directory, { seed: 2 })];
    for (let i = 0; ; i++)
      await mark(() => models[i % 2].savePretrained(path.join(folder, "model")));
  },
  "save weights": async () => {
    const models = [await load(directory, { seed: 1 }), await load(directory, { seed: 2 })];
    for (let i = 0; ; i++) await mark(() => models[i % 2].saveStateDict(file));
  },
  download: async () => {
    await mark(() => load("org/tiny", { seed: 1 }));
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },
};

/** What a later run makes of what the killed one has left. */
const CHECKS = {
  "save a model": async () => {
    const place = path.join(folder, "model");
    const there = existsSync(place) ? await logitsOf(await load(place)) : null;
    await (await load(directory, { seed: 1 })).savePretrained(place);
    return there;
  },
  "save weights": async () => {
    const model = await load(directory, { seed: 1 });
    const there = existsSync(file);
    if (there) await model.loadStateDict(file);
    const logits = there ? await logitsOf(model) : null;
    await model.saveStateDict(file);
    return logits;
  },
  download: async () => logitsOf(await load("org/tiny", { seed: 1 })),
};

if (check) {
  const logits = await CHECKS[what]();
  const both = [await load(directory, { seed: 1 }), await load(directory, { seed: 2 })];
  const expected = await Promise.all(both.map(logitsOf));
  console.log(JSON.stringify({ logits, expected }));
  process.exit(0);
}
await WORKS[what]();
