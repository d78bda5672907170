// The addon in cluster workers and in forks: processes.mjs TASK. Prints a JSON line with the logits of each.
import { fork } from "node:child_process";
import cluster from "node:cluster";
import { fileURLToPath } from "node:url";

import { BertCnn } from "../../dist/index.js";

const SELF = fileURLToPath(import.meta.url);
const OPTIONS = { labels: ["bad", "good"], variant: "frozen", seed: 1, threads: 1 };

async function numbers(directory) {
  const model = await BertCnn.fromPretrained(directory, OPTIONS);
  return Array.from((await model.predict(["the movie was good", "bad"])).logits.data);
}

/** What a process sends, once it has ended well. */
function answerOf(child) {
  return new Promise((resolve, reject) => {
    let answer;
    child.on("message", (message) => (answer = message));
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve(answer);
      else reject(new Error(`ended with ${String(signal ?? code)}`));
    });
  });
}

const task = process.argv[2];
const { directory } = JSON.parse(task);
if (process.send) {
  const logits = await numbers(directory);
  process.send(logits, () => process.disconnect());
} else {
  // The parent has a model of its own, whose threads the children must not miss.
  const logits = [await numbers(directory)];
  cluster.setupPrimary({ exec: SELF, args: [task] });
  const workers = [cluster.fork(), cluster.fork()].map((worker) => answerOf(worker.process));
  const forks = [fork(SELF, [task]), fork(SELF, [task])].map(answerOf);
  logits.push(...(await Promise.all([...workers, ...forks])));
  console.log(JSON.stringify({ logits }));
}
