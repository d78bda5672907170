/**
 * The same texts through bertcnn and through other systems, by turns: `npm run bench`. Every system has processes of
 * its own and its best settings; its outputs are compared with PyTorch's before it is timed. See peers/README.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { randomNumbers } from "../demo/ratings.mjs";
import { reportingFailure, setUp } from "../setup.mjs";
import { SetupError } from "../setup/project.mjs";
import { pythonPackages } from "../setup/python.mjs";
import { contenders, formsFor, PEERS } from "./peers/contenders.mjs";
import { drawChart, writeDocs } from "./peers/docs.mjs";
import { goalsOf, keptForGoals } from "./peers/goals.mjs";
import { installedPeers, installPeers } from "./peers/install.mjs";
import { describeMachine, multipliesBfloat16 } from "./peers/machine.mjs";
import { baseModel, sentenceModel } from "./peers/models.mjs";
import { readOptions, USAGE } from "./peers/options.mjs";
import { goalsText, reportText } from "./peers/report.mjs";
import { PRECISIONS } from "./peers/results.mjs";
import { Section } from "./peers/section.mjs";
import { basePlans, randomTexts } from "./peers/workloads.mjs";

/** Sentences that are timed; more are compared. */
const TIMED_SENTENCES = 512;
const QUICK_SENTENCES = 64;
const SEED = 1; // of the order of turns

/** The peers that take part, and why others do not. */
function choosePeers(options, installed) {
  const leftOut = [];
  const peers = (options.peers ?? Object.keys(PEERS)).filter((name) => {
    const { needs, title } = PEERS[name];
    // A part of a quick run that takes a minute to compile.
    if (options.peers === null && options.quick && name !== "prototype") return false;
    if (needs === null || installed[needs] !== null) return true;
    leftOut.push({ name: title, reason: "not installed: npm run bench -- --install-peers" });
    return false;
  });
  return { peers, leftOut };
}

function baseWorkloads(options, model) {
  return Object.entries(basePlans(options.quick))
    .filter(([name]) => options.workloads.includes(name))
    .map(([name, plan]) => {
      const texts = randomTexts(plan.lengths, model.config.vocab_size);
      return { name, ...plan, texts };
    });
}

/** The sentences to be timed, and those whose outputs are compared. */
function sentenceWorkloads(options, model) {
  const { texts, lengths, logits } = JSON.parse(
    readFileSync(path.join(model.folder, "texts.json"), "utf8"),
  );
  const count = options.quick ? QUICK_SENTENCES : TIMED_SENTENCES;
  const plan = { title: "as text, tokenizers included", kind: "bulk", batch: 32 };
  const timed = { name: "sentences", ...plan, texts: texts.slice(0, count) };
  const all = options.quick ? count : texts.length;
  const compared = {
    name: "compared",
    texts: texts.slice(0, all),
    logits: logits.slice(0, all),
    batch: 32,
  };
  return { workloads: [{ ...timed, lengths: lengths.slice(0, count) }], sentences: compared };
}

/** Measures one model's workloads into `results`, one precision after another: less is loaded at a time. */
async function runModel(results, model, workloads, common) {
  const { options, peers, installed } = common;
  const given = {
    peers,
    cores: results.machine.cores,
    threads: options.threads,
    packages: installed.npm,
    converted: await convert(results, model, peers),
    texts: workloads.sentences !== undefined,
  };
  const all = contenders(given);
  results.models.push({ name: model.name, title: model.title, weights: model.weights });
  results.products[model.name] = {};
  for (const precision of options.precisions ?? possible(PRECISIONS)) {
    const chosen = all.filter((contender) => contender.precision === precision);
    if (chosen.length > 0) await runSection(results, model, workloads, precision, chosen, common);
  }
}

function possible(precisions) {
  if (multipliesBfloat16()) return precisions;
  console.log("left out: bfloat16, which this processor does not multiply");
  return precisions.filter((precision) => precision !== "bfloat16");
}

/** The folders of the other forms of the model; peers whose form can't be made are left out. */
async function convert(results, model, peers) {
  const converted = {};
  for (const form of formsFor(peers)) {
    try {
      converted[form] = await model.converted(form);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      for (const peer of peers.filter((name) => PEERS[name].form === form)) {
        results.leftOut.push({ name: PEERS[peer].title, reason: error.message });
      }
    }
  }
  return converted;
}

async function runSection(results, model, workloads, precision, chosen, common) {
  const { options, env, scratch } = common;
  console.log(`\n${model.title}, ${precision}`);
  const section = new Section({
    model,
    ...workloads,
    precision,
    contenders: chosen,
    scratch,
    env,
    cores: results.machine.cores,
    log: (text) => console.log(text),
  });
  try {
    await section.start();
    const keep = (entry) => !options.quick && keptForGoals(entry);
    const measured = await section.measure(options.rounds, randomNumbers(SEED), keep);
    for (const workload of measured.workloads) addWorkload(results.workloads, workload);
    results.products[model.name][precision] = measured.product;
    results.shares.push(measured.shares);
  } finally {
    await section.end();
  }
  results.systems.push(...section.systems);
  results.accuracy.push(...section.accuracy);
  results.failed.push(...section.failed);
  const told = new Set(results.leftOut.map(({ name }) => name));
  results.leftOut.push(...section.leftOut.filter(({ name }) => !told.has(name)));
}

/** A workload of one precision joins those of others. */
function addWorkload(workloads, added) {
  const same = workloads.find(({ name }) => name === added.name);
  if (same) same.entries.push(...added.entries);
  else workloads.push(added);
}

async function measure(options) {
  await setUp();
  if (options.installPeers) await installPeers();
  const installed = installedPeers();
  const { peers, leftOut } = choosePeers(options, installed);
  const folders = [await pythonPackages(), installed.python].filter(Boolean);
  const env = {
    ...process.env,
    PYTHONPATH: folders.join(path.delimiter),
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const results = {
    quick: options.quick,
    rounds: options.rounds,
    machine: describeMachine(),
    models: [],
    systems: [],
    workloads: [],
    products: {},
    accuracy: [],
    shares: [],
    failed: [],
    leftOut,
  };
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-bench-"));
  const common = { options, peers, installed, env, scratch };
  try {
    if (options.workloads.some((name) => name !== "sentences")) {
      const model = await baseModel(env);
      await runModel(results, model, { workloads: baseWorkloads(options, model) }, common);
    }
    if (options.workloads.includes("sentences")) {
      const model = await sentenceModel(options, env);
      await runModel(results, model, sentenceWorkloads(options, model), common);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return results;
}

await reportingFailure(async () => {
  let options;
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    throw new SetupError(error.message);
  }
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const results = options.from
    ? JSON.parse(readFileSync(options.from, "utf8"))
    : await measure(options);
  console.log(`\n${reportText(results)}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(results, null, 1)}\n`);
  if (options.svg) writeFileSync(options.svg, drawChart(results));
  if (options.docs) await writeDocs(results);
  for (const { name, model } of results.failed) {
    console.log(`FAILED ${name} on ${model}: its outputs differ from PyTorch's`);
    process.exitCode = 1;
  }
  if (results.quick) return;
  const { text, missed } = goalsText(goalsOf(results));
  console.log(`\n${text}`);
  if (missed > 0) process.exitCode = 1;
});
