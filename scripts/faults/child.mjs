// Plants failures for faults.mjs: child.mjs TASK, where the task is JSON. Writes what it did to the task's log.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

import { SCENARIOS } from "./scenarios.mjs";

const require = createRequire(import.meta.url);
const PATIENCE = 20_000; // milliseconds for one call
const MOST_FINDINGS = 5;

const task = JSON.parse(process.argv[2]);
const native = require(task.addon);
require("../../dist/native-module.cjs").replaceNativeModule(native);
const library = await import("../../dist/index.js");
const { faults } = native;

const findings = [];
process.on("unhandledRejection", (reason) => {
  findings.push(`a rejection that nobody could handle: ${String(reason)}`);
});

function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, PATIENCE, new Error(`did not end within ${String(PATIENCE)} ms`));
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What a call that something failed in may say. */
function isExpected(error, kind) {
  if (!(error instanceof library.BertCnnError)) return false;
  if (kind === "memory" || kind === "tensor") return error.code === "ERR_OUT_OF_MEMORY";
  return error.code === "ERR_INTERNAL" && error.message.includes(`planted in: ${kind}`);
}

/** Lets the event `number` of a kind fail during the call. False: there are not so many. */
async function plant(scenario, counts, { kind, lasting }, number) {
  let [error, value] = [null, null];
  faults.arm(kind, number, lasting);
  try {
    value = await inTime(scenario.act());
  } catch (thrown) {
    error = thrown;
  }
  const failed = faults.disarm();
  const where = `${kind} ${String(number)}${lasting ? " and all that follow" : ""}`;
  if (error && failed > 0 && !isExpected(error, kind)) {
    findings.push(`${where}: rejected with ${describe(error)}`);
  } else if (error && failed === 0) {
    findings.push(`${where}: nothing failed, and yet ${describe(error)}`);
  } else if (!error && failed > 0 && kind !== "memory" && kind !== "tensor") {
    findings.push(`${where}: failed, and yet the call resolved`);
  }
  counts[error ? "rejected" : "resolved"] += failed > 0 ? 1 : 0;
  if (task.plant === "changed" && error) await scenario.planted();
  if (task.plant === "crash" && number === 3) process.abort();
  try {
    await inTime(scenario.check(error !== null, value));
  } catch (changed) {
    findings.push(`${where} (${error ? "rejected" : "resolved"}): ${describe(changed)}`);
  }
  return failed > 0;
}

function describe(error) {
  return `${String(error?.code)}: ${String(error?.message ?? error).slice(0, 600)}`;
}

const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-faults-"));
const results = [];
try {
  const scenario = await SCENARIOS[task.scenario](library, scratch);
  // What is set up at first use is there, and the stages are known.
  await scenario.check(false, await scenario.act());
  const kinds = [
    ...["memory", "tensor"].flatMap((kind) => [
      { kind, lasting: false, every: task.every },
      { kind, lasting: true, every: task.every * 5 },
    ]),
    ...faults
      .stages()
      // Where a result is turned into what JavaScript sees, the work is done.
      .filter((kind) => !(scenario.changes && kind === "to JavaScript"))
      .map((kind) => ({ kind, lasting: false, every: 1, most: 3 })),
  ];
  for (const one of kinds) {
    const counts = { rejected: 0, resolved: 0 };
    // Another seed begins a stride at another event: over so many seeds all come up.
    let number = 1 + (one.every === 1 ? 0 : task.seed % one.every);
    for (let i = 0; i < (one.most ?? Infinity) && findings.length < MOST_FINDINGS; i++) {
      writeFileSync(task.last, `${one.kind} ${String(number)}${one.lasting ? ", lasting" : ""}`);
      if (!(await plant(scenario, counts, one, number))) break;
      number += one.every;
    }
    results.push({ kind: one.kind, lasting: one.lasting, ...counts });
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
writeFileSync(task.log, JSON.stringify({ results, findings }));
process.exit(0); // calls that hang do not keep it
