// One text of a length: run.mjs TASK, where the task is JSON. Prints a JSON line with the highest resident memory.
import { BertCnn } from "../../../dist/index.js";

const { encoder, work, length } = JSON.parse(process.argv[2]);
const WORDS = ["film", "story", "scene", "actor", "music", "ending", "joke", "fight"]; // a token each

const model = await BertCnn.fromPretrained(encoder, {
  ...{ labels: ["bad", "good"], variant: "fine-tune", seed: 1 },
  ...{ longText: "window", maxLength: 128 },
});
const text = Array.from({ length: length - 2 }, (_, i) => WORDS[(i * i) % WORDS.length]).join(" ");
const begin = performance.now();
if (work === "predict") {
  await model.predict(text);
} else {
  await model.configureTraining({});
  await model.trainStep({ texts: [text], labels: ["good"] });
}
const seconds = (performance.now() - begin) / 1000;
console.log(JSON.stringify({ megabytes: process.resourceUsage().maxRSS / 1024, seconds }));
process.exit(0);
