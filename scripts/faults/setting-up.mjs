/** Set-up, killed with all that it has started: what it leaves must not be taken for an addon, and the next one works. */
import { spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { copyCheckout } from "../checks/copy-checkout.mjs";

const PREDICT = `
import { BertCnn } from "./dist/index.js";
const options = { labels: ["bad", "good"], variant: "fine-tune", seed: 1, threads: 1 };
const model = await BertCnn.fromPretrained("test/fixtures/models/tiny-bert", options);
console.log(JSON.stringify([...(await model.predict(["the movie was good", "bad"])).logits.data]));
`;

/** In a process group of its own, so that compilers are killed with it. */
function setUp(folder) {
  const child = spawn(process.execPath, ["scripts/setup.mjs"], {
    cwd: folder,
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let words = "";
  child.stderr.on("data", (data) => (words += data));
  const gone = new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, words }));
  });
  return { child, gone };
}

function predict(folder) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "-e", PREDICT],
    { cwd: folder, encoding: "utf8" },
  );
  return status === 0 ? stdout.trim() : `exit code ${String(status)}: ${stderr.slice(-500)}`;
}

/**
 * @param {string} scratch where the checkouts lie
 * @param {number} times
 * @param {() => number} random
 */
export async function killSetUps(scratch, times, random) {
  const folder = path.join(scratch, "checkout");
  copyCheckout(folder, { copied: ["node_modules"] });
  const findings = [];
  const whole = async (what) => {
    const { code, words } = await setUp(folder).gone;
    if (code !== 0)
      findings.push(`${what}: set-up ended with ${String(code)}: ${words.slice(-500)}`);
    return predict(folder);
  };
  await whole("the first"); // compilers' caches are filled now: the second one's time is every one's
  const anew = () => {
    for (const made of ["build", "lib", "dist"]) {
      rmSync(path.join(folder, made), { recursive: true, force: true });
    }
  };
  anew();
  const begin = performance.now();
  const expected = await whole("the second");
  const duration = performance.now() - begin;
  let hits = 0;
  for (let i = 0; i < times; i++) {
    anew();
    const { child, gone } = setUp(folder);
    const ended = gone.then(() => true);
    if (!(await Promise.race([ended, sleep(random() * duration, false)]))) {
      hits++;
      process.kill(-child.pid, "SIGKILL");
      await gone;
    }
    const found = await whole(`kill ${String(i)}`);
    if (found !== expected) findings.push(`kill ${String(i)}: ${found}, expected ${expected}`);
  }
  if (2 * hits < times) findings.push(`only ${String(hits)} of ${String(times)} kills hit one`);
  const figures = `${String(hits)} of ${String(times)} kills in the middle`;
  return [{ what: "killed: set-up", figures, findings }];
}
