// Files that change while they are read: vanishing.mjs TASK, where the task is JSON. Prints a JSON line of what was seen.
import { cpSync, rmSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { BertCnn, BertCnnError } from "../../dist/index.js";
import { randomNumbers } from "../demo/ratings.mjs";

const { directory, scratch, times, seed, longest, log } = JSON.parse(process.argv[2]);
const OPTIONS = { labels: ["bad", "good"], variant: "frozen", seed: 1, threads: 1 };
const TEXTS = ["the movie was good", "bad"];
const random = randomNumbers(seed);
const FILES = ["model.safetensors", "model.safetensors", "config.json"];
const CHANGES = {
  unlink: (file) => unlinkSync(file),
  "truncate to nothing": (file) => truncateSync(file, 0),
  truncate: (file) => truncateSync(file, Math.floor(random() * 4000)),
};

const model = await BertCnn.fromPretrained(directory, OPTIONS);
const expected = Array.from((await model.predict(TEXTS)).logits.data);
const findings = [];
const counts = { loaded: 0 };
const pick = (values) => values[Math.floor(random() * values.length)];
for (let i = 0; i < times; i++) {
  const copy = path.join(scratch, String(i));
  cpSync(directory, copy, { recursive: true });
  const [name, change] = [pick(FILES), pick(Object.keys(CHANGES))];
  writeFileSync(log, `${name}: ${change}`);
  const loading = BertCnn.fromPretrained(copy, OPTIONS).catch((error) => error);
  await sleep(random() * longest);
  CHANGES[change](path.join(copy, name));
  const loaded = await loading;
  if (loaded instanceof BertCnn) {
    counts.loaded++;
    const { data } = (await loaded.predict(TEXTS)).logits;
    if (data.some((value, k) => value !== expected[k])) {
      findings.push(`${name}: ${change}: loaded, with other logits`);
    }
    await loaded.dispose();
  } else if (loaded instanceof BertCnnError && loaded.code !== "ERR_INTERNAL") {
    counts[loaded.code] = (counts[loaded.code] ?? 0) + 1;
  } else {
    findings.push(`${name}: ${change}: ${String(loaded?.stack ?? loaded)}`);
  }
  rmSync(copy, { recursive: true });
}
console.log(JSON.stringify({ counts, findings }));
process.exit(0);
