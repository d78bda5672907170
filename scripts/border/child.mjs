// Makes the calls of border.mjs: child.mjs TASK, where the task is JSON.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { inspect } from "node:util";

import fc from "fast-check";

import * as library from "../../dist/index.js";
import { root } from "../setup/project.mjs";
import { targets } from "./targets.mjs";
import { Planted, resolve } from "./values.mjs";

const MOST_FINDINGS = 20;
const FRESH = 2000; // calls after which the model is loaded anew: what was made of it must not matter for long

const task = JSON.parse(process.argv[2]);
const PATIENCE = task.plant === "hang" ? 500 : 20_000; // milliseconds for one call
const directory = path.join(root, "test", "fixtures", "models", "tiny-bert");
const { BertCnn, BertCnnError, Tokenizer } = library;

const findings = [];
const counts = {};

/** What a call may end in, beside a result. */
function isFine(error, tolerates) {
  if (tolerates?.test(error?.message)) return true;
  if (error instanceof BertCnnError || error instanceof Planted) return true;
  // The reason of our signal, and what the language itself says of values of ours.
  return error instanceof Error && /^aborted$|a proxy that has been revoked$/.test(error.message);
}

async function make(name, { call, tolerates }, values) {
  const count = (counts[name] ??= { calls: 0, results: 0 });
  count.calls++;
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, PATIENCE, "late");
  });
  try {
    const result = await Promise.race([(async () => call(...values))(), late]);
    if (result === "late") findings.push(`${name} did not end`);
    else count.results++;
  } catch (error) {
    if (!isFine(error, tolerates))
      findings.push(`${name}(${describe(values)}) ended in ${String(error?.stack ?? error)}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Values that throw when they are looked at, too. */
function describe(values) {
  return values
    .map((value) => {
      try {
        return inspect(value, {
          depth: 2,
          breakLength: Infinity,
          maxStringLength: 80,
          showProxy: true,
        }).slice(0, 400);
      } catch {
        return "(cannot be shown)";
      }
    })
    .join(", ");
}

function plantIn(all) {
  if (task.plant === "crash") all.crash = { weight: 5, values: [], call: () => process.abort() };
  const stranger = () => {
    throw new TypeError("planted");
  };
  if (task.plant === "stranger") all.stranger = { weight: 5, values: [], call: stranger };
  if (task.plant === "hang")
    all.hang = { weight: 1, values: [], call: () => new Promise(() => {}) };
  return all;
}

const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-border-child-"));
process.chdir(scratch); // what is written by a name that happens to be good lands here
const tokenizer = await Tokenizer.fromPretrained(directory);
let model;
const there = { get model() { return model; }, tokenizer, directory }; // prettier-ignore
const all = plantIn(targets(library, there));
const arbitrary = fc.oneof(
  ...Object.entries(all).map(([name, { weight, values }]) => ({
    weight,
    arbitrary: fc.tuple(fc.constant(name), fc.tuple(...values)),
  })),
);
process.on("unhandledRejection", (reason) => {
  findings.push(`a rejection that nobody could handle: ${String(reason)}`);
});
process.on("uncaughtException", (error) => {
  findings.push(`an error that nobody could catch: ${String(error)}`);
});

try {
  for (let done = 0; done < task.cases && findings.length < MOST_FINDINGS;) {
    await model?.dispose();
    model = await BertCnn.fromPretrained(directory, {
      ...{ labels: ["bad", "good"], device: "cpu", threads: 1, seed: 1, variant: "max-over-time" },
    });
    const some = Math.min(FRESH, task.cases - done);
    for (const [name, values] of fc.sample(arbitrary, { numRuns: some, seed: task.seed + done })) {
      if (counts[name] === undefined || counts[name].calls % 50 === 0) {
        writeFileSync(task.last, `${name} (seed ${String(task.seed + done)})`);
      }
      await make(name, all[name], values.map(resolve));
      if (findings.length >= MOST_FINDINGS) break;
    }
    done += some;
  }
} catch (error) {
  // Of this program itself; the handlers above would keep it from ending so.
  console.error(error);
  process.exit(2);
}
await model.dispose();
writeFileSync(task.log, JSON.stringify({ counts, findings }));
process.chdir("/");
rmSync(scratch, { recursive: true, force: true });
process.exit(0); // planted calls that hang do not keep it
