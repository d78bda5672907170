/**
 * Long runs: `npm run soak [-- --minutes 10 --cycles 200 --predictions 1000000] [-- --quick] [-- --planted]`.
 *
 * - ten times as many calls as a model can take, for minutes: memory stays, refusals come at once, what was accepted is
 *   completed, the throughput stays, and every promise is settled exactly once
 * - models loaded and disposed, over and over: memory stays
 * - a million predictions: memory stays
 *
 * Each in a process of its own. Prints the figures; memory is the process's resident one, in MB. `--quick` takes a
 * minute. `--planted` runs with a leak, and succeeds where it is noticed.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { asText } from "./bench/peers/table.mjs";
import { must } from "./checks/steps.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { root, SetupError } from "./setup/project.mjs";

const RUN = fileURLToPath(new URL("soak/run.mjs", import.meta.url));
const TINY = path.join(root, "test", "fixtures", "models", "tiny-bert");
const QUICK = { minutes: 0.3, cycles: 60, predictions: 300_000 };
const FULL = { minutes: 10, cycles: 200, predictions: 1_000_000 };
/** Memory may grow from the second quarter of a run to its last by this, which fragmentation explains. */
const GROWTH = { megabytes: 12, share: 0.05 };
/** In a few seconds, perhaps beside other programs, both say less. */
const LATEST_REFUSAL = { quick: 1000, full: 100 }; // milliseconds
const STEADY = { quick: 0.5, full: 0.8 }; // calls completed in the last third, by those in the second

const RUNS = {
  overload: {
    amount: "minutes",
    figures: ({ minutes, offered, completed, refused, times, slowest, steady }) => [
      `${String(minutes)} minutes`,
      `${String(offered)} calls, ${times.toFixed(1)} times the capacity: ${String(completed)} completed, ` +
        `${String(refused)} refused, the slowest in ${slowest.toFixed(1)} ms; last third / second: ${steady.toFixed(2)}`,
    ],
    judge({ offered, completed, refused, other, twice, times, slowest, steady, wrong, minutes }) {
      const length = minutes < 1 ? "quick" : "full";
      const faults = [];
      if (offered !== completed + refused) faults.push(`${String(other)} calls ended otherwise`);
      if (twice > 0) faults.push(`${String(twice)} promises were settled more than once`);
      if (wrong > 0) faults.push(`${String(wrong)} results were wrong`);
      if (times < 9) faults.push(`only ${times.toFixed(1)} times the capacity was offered`);
      if (slowest > LATEST_REFUSAL[length]) faults.push("a refusal took its time");
      if (steady < STEADY[length]) faults.push("the throughput fell");
      return faults;
    },
  },
  cycles: {
    amount: "cycles",
    figures: ({ cycles, threads }) => [
      `${String(cycles)} models`,
      `${String(threads)} threads more`,
    ],
    judge: ({ threads }) => (threads > 0 ? [`${String(threads)} threads are left`] : []),
  },
  predictions: {
    amount: "predictions",
    figures: ({ predictions }) => [`${String(predictions)} predictions`, ""],
    judge: () => [],
  },
};

await reportingFailure(async () => {
  const { planted, ...amounts } = readArguments();
  await setUp();
  const results = Object.keys(RUNS).map((name) => {
    const amount = amounts[RUNS[name].amount];
    const args = ["--expose-gc", RUN, JSON.stringify({ name, amount, directory: TINY, planted })];
    const env = { ...process.env, GOMP_SPINCOUNT: "1000" };
    return [name, JSON.parse(must(process.execPath, args, { env }))];
  });
  const rows = results.map(([name, seen]) => [name, ...RUNS[name].figures(seen), ...memory(seen)]);
  console.log(asText({ head: ["run", "amount", "", "MB at first", "MB at last"], rows }));
  const faults = results.flatMap(([name, seen]) => [
    ...RUNS[name].judge(seen).map((fault) => `${name}: ${fault}`),
    ...(grows(seen) ? [`${name}: memory grows`] : []),
  ]);
  if (planted) return tellPlanted(results);
  for (const fault of faults) console.log(`FAILED: ${fault}`);
  if (faults.length > 0) process.exitCode = 1;
});

function readArguments() {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      cycles: { type: "string" },
      predictions: { type: "string" },
      quick: { type: "boolean", default: false },
      planted: { type: "boolean", default: false },
    },
  });
  const usual = values.quick || values.planted ? QUICK : FULL;
  const amounts = Object.keys(usual).map((name) => [name, Number(values[name] ?? usual[name])]);
  if (!amounts.every(([, amount]) => amount > 0)) {
    throw new SetupError("--minutes, --cycles and --predictions are numbers above 0.");
  }
  return { ...Object.fromEntries(amounts), planted: values.planted };
}

/** Medians of the second and the last quarter of what was measured. */
function quarters({ resident }) {
  const quarter = Math.floor(resident.length / 4);
  const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
  return [middle(resident.slice(quarter, 2 * quarter)), middle(resident.slice(-quarter))];
}

function memory(seen) {
  return quarters(seen).map((megabytes) => megabytes.toFixed(0));
}

function grows(seen) {
  const [first, last] = quarters(seen);
  return last - first > Math.max(GROWTH.megabytes, first * GROWTH.share);
}

function tellPlanted(results) {
  for (const [name, seen] of results) {
    console.log(`${grows(seen) ? "ok" : "FAILED"}: a planted leak is noticed in ${name}`);
    if (!grows(seen)) process.exitCode = 1;
  }
}
