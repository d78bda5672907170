/**
 * How a model bears a server's load: `npm run bench:server-load [-- --quick] [--rounds 5] [--texts 400] [--json FILE]`.
 *
 * - 64 callers with one text each beside one large call: rows a second, and the callers' latencies
 * - the event loop's delay meanwhile, and what a call costs the JavaScript thread
 * - too many calls, with aborts, timeouts, priorities and the model's end: all are settled, counted and right
 * - what each setting of `threads` is good for
 *
 * Prints ratios of one run on one machine; fails where a goal is missed. `--quick` does only the third part, which does
 * not depend on the machine's speed.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { minilm, ratings } from "../assets.mjs";
import { randomNumbers, readRatings, shuffled } from "../demo/ratings.mjs";
import { root } from "../setup/project.mjs";
import { reportingFailure, setUp } from "../setup.mjs";
import { callCost, loopDelay } from "./server-load/event-loop.mjs";
import { callers, largeCall, median, processorTime, quantile } from "./server-load/loads.mjs";

const CALLERS = 64;
const TINY = path.join(root, "test", "fixtures", "models", "tiny-frozen");
const CALLS = { quick: 3000, full: 6000 }; // of the overload

const GOALS = {
  throughput: { at: "least", bound: 0.95, what: `rows/s of ${CALLERS} callers / of a large call` },
  latency: { at: "most", bound: 2, what: `p99 / p50 of the ${CALLERS} callers' latency` },
  delay: { at: "most", bound: 10, what: "event loop's delay in saturation, p99, ms" },
  cost: { at: "most", bound: 50, what: "JavaScript thread's time a call, us (tiny model)" },
};

/** The settings of `threads` that are compared; the first one is what the others are measured by. */
function settings() {
  const cores = availableParallelism();
  const pairs = cores > 3 ? [{ workers: Math.floor(cores / 2), perWorker: 2 }] : [];
  return cores === 1 ? [1] : [cores, 1, { workers: cores }, ...pairs, "auto"];
}

async function serve({ BertCnn }, directory, texts, rounds) {
  const model = await BertCnn.fromPretrained(directory, { numLabels: 2, seed: 0 });
  await model.warmup();
  const results = { throughput: [], latency: [], delay: [] };
  for (let round = 0; round < rounds; round++) {
    const large = await largeCall(model, texts);
    let many;
    results.delay.push(
      await loopDelay(async () => {
        many = await callers(model, texts, CALLERS);
      }),
    );
    results.throughput.push(many.rate / large);
    results.latency.push(quantile(many.latencies, 0.99) / median(many.latencies));
  }
  await model.dispose();
  const tiny = await BertCnn.fromPretrained(TINY, { device: "cpu", threads: 1 });
  await callCost(tiny, texts[0], 2000);
  const cost = await callCost(tiny, texts[0], 20_000);
  await tiny.dispose();
  const medians = Object.entries(results).map(([name, list]) => [name, median(list)]);
  return { ...Object.fromEntries(medians), cost };
}

/** Rounds in turn, so that whatever else the machine does meanwhile hits all settings alike. */
async function compareThreads({ BertCnn }, directory, texts, rounds) {
  const rows = [];
  for (const threads of settings()) {
    const options = { numLabels: 2, seed: 0, device: "cpu", threads };
    const model = await BertCnn.fromPretrained(directory, options);
    await model.warmup();
    rows.push({ threads, model, large: [], many: [], few: [], single: [], time: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (const { model, large, many, few, single, time } of rows) {
      const work = async () => {
        large.push(await largeCall(model, texts));
        many.push((await callers(model, texts, CALLERS)).rate);
      };
      time.push(await processorTime(work));
      few.push((await callers(model, texts.slice(0, 100), 4)).rate);
      single.push(median((await callers(model, texts.slice(0, 50), 1)).latencies));
    }
  }
  await Promise.all(rows.map(({ model }) => model.dispose()));
  const ratio = (row, load) => median(row[load].map((value, i) => value / rows[0][load][i]));
  return rows.map((row) => ({
    threads: row.threads,
    ...Object.fromEntries(
      ["large", "many", "few", "single", "time"].map((load) => [load, ratio(row, load)]),
    ),
  }));
}

function printThreads(rows) {
  const columns = (cells) => cells.map((cell) => cell.padStart(13)).join("");
  const loads = ["large call", "64 callers", "4 callers", "one caller", "processor"];
  const what = ["rows/s", "rows/s", "rows/s", "latency", "time"];
  console.log(`\n${"threads".padEnd(30)}${columns(loads)}`);
  console.log(`${"(ratios to the first line)".padEnd(30)}${columns(what)}`);
  for (const { threads, ...ratios } of rows) {
    const numbers = Object.values(ratios).map((value) => value.toFixed(2));
    console.log(JSON.stringify(threads).padEnd(30) + columns(numbers));
  }
}

/** Prints each goal's figure; gives those that were missed. */
function printGoals(results) {
  const missed = [];
  for (const [name, { at, bound, what }] of Object.entries(GOALS)) {
    const value = results[name];
    const line = `${what}: ${value.toFixed(2)} (at ${at} ${bound})`;
    console.log(line);
    if (at === "least" ? value < bound : value > bound) missed.push(line);
  }
  return missed;
}

async function tryOverload({ BertCnn }, texts, quick) {
  const { overload } = await import("./server-load/overload.mjs");
  const load = (options) => {
    const threads = quick ? 1 : { workers: 2 };
    return BertCnn.fromPretrained(TINY, { device: "cpu", threads, maxBatchTokens: 64, ...options });
  };
  const { counts, faults } = await overload(load, texts, quick ? CALLS.quick : CALLS.full);
  const { issued, ...ends } = counts;
  const list = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
  console.log(`\noverload: ${issued} calls = ${list.join(" + ")}`);
  return { counts, missed: faults };
}

await reportingFailure(async () => {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string", default: "5" },
      texts: { type: "string", default: "400" },
      json: { type: "string" },
    },
  });
  await setUp();
  const library = await import("../../dist/index.js");
  const report = {};
  const missed = [];
  let texts = Array.from(
    { length: 200 },
    (_, i) => `a film that earns ${"every ".repeat(i % 20)}minute`,
  );
  if (!values.quick) {
    const file = path.join(await ratings(), "movieReviewSnippets_GroundTruth.txt");
    const all = (await readRatings(file)).map(({ text }) => text);
    texts = shuffled(all, randomNumbers(0)).slice(0, Number(values.texts));
    const directory = await minilm();
    const rounds = Number(values.rounds);
    console.log(`medians of ${rounds} rounds on ${availableParallelism()} processors`);
    report.goals = await serve(library, directory, texts, rounds);
    missed.push(...printGoals(report.goals));
    report.threads = await compareThreads(library, directory, texts, rounds);
    printThreads(report.threads);
  }
  const overload = await tryOverload(library, texts, values.quick);
  report.overload = overload.counts;
  missed.push(...overload.missed);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  for (const line of missed) console.log(`MISSED ${line}`);
  console.log(`\n${missed.length === 0 ? "within" : "beyond"} the goals`);
  if (missed.length > 0) process.exitCode = 1;
});
