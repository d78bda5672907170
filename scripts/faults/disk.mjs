// What is written where nothing can be written: disk.mjs TASK, where the task is JSON. `folder` is what cannot be
// written to once `spoil` was run by a shell; `mend`, if there is one, undoes that. Prints a JSON line of what was seen.
import { execSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

import { BertCnn, BertCnnError } from "../../dist/index.js";

const { folder, directory, spoil, mend, user, codes } = JSON.parse(process.argv[2]);
const OPTIONS = { labels: ["bad", "good"], variant: "fine-tune", seed: 1, threads: 1 };
const TEXTS = ["the movie was good", "bad"];
const BATCH = { texts: TEXTS, labels: ["good", "bad"] };

function contents(place) {
  if (statSync(place).isDirectory()) {
    const names = readdirSync(place).sort();
    return names.map((name) => [name, contents(path.join(place, name))]);
  }
  return createHash("sha256").update(readFileSync(place)).digest("hex");
}

const model = await BertCnn.fromPretrained(directory, OPTIONS);
model.configureTraining({});
const frozen = await BertCnn.fromPretrained(directory, { ...OPTIONS, variant: "frozen" });
const place = (name) => path.join(folder, name);
mkdirSync(place("cache"));

const SAVES = {
  savePretrained: () => model.savePretrained(place("model")),
  saveEncoder: () => model.saveEncoder(place("encoder")),
  "saveStateDict, safetensors": () => model.saveStateDict(place("weights.safetensors")),
  "saveStateDict, pt": () => model.saveStateDict(place("weights.pt")),
  saveTrainingState: () => model.saveTrainingState(place("state.safetensors")),
};

/** A cache that cannot be written to is no reason to stop: what it cannot keep is computed again. */
async function trainsOn() {
  frozen.configureTraining({ featureCache: { memory: 0, directory: place("cache") } });
  for (let i = 0; i < 40; i++) {
    const texts = Array.from({ length: 32 }, (_, row) => `${String(i)} ${String(row)} good bad`);
    await frozen.trainStep({ texts, labels: texts.map(() => "good") });
  }
}

const findings = [];
let refused = 0;

async function refuses(name, save) {
  const before = contents(folder);
  try {
    await save();
    findings.push(`${name} did not fail`);
  } catch (error) {
    refused++;
    if (!(error instanceof BertCnnError) || !codes.includes(error.code)) {
      findings.push(`${name}: ${String(error?.stack ?? error)}`);
    }
  }
  if (JSON.stringify(contents(folder)) !== JSON.stringify(before)) {
    findings.push(`${name} has left something behind`);
  }
  const { logits } = await model.predict(TEXTS);
  if (logits.data.some((value, i) => value !== expected[i])) findings.push(`${name}: other logits`);
}

for (const save of Object.values(SAVES)) await save();
const expected = (await model.predict(TEXTS)).logits.data;
execSync(spoil, { env: { ...process.env, FOLDER: folder } });
if (user !== undefined) {
  process.setgid(user);
  process.setuid(user);
}
for (const [name, save] of Object.entries(SAVES)) await refuses(name, save);
await trainsOn();
await model.trainStep(BATCH); // the model goes on
if (mend) {
  execSync(mend, { env: { ...process.env, FOLDER: folder } });
  for (const save of Object.values(SAVES)) await save();
  const saved = await BertCnn.fromPretrained(place("model"), { threads: 1 });
  const [ours, theirs] = await Promise.all([model.predict(TEXTS), saved.predict(TEXTS)]);
  if (ours.logits.data.some((value, i) => value !== theirs.logits.data[i])) {
    findings.push("what was saved afterwards is another model");
  }
}
console.log(JSON.stringify({ refused, findings }));
process.exit(0);
