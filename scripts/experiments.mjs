/**
 * Trains bertcnn and the Python prototype on real texts, with the same splits and settings: `npm run experiments [--
 * --sets movies,spam --seeds 3 --docs]`. MiniLM with kernels 3, 4 and 5, all of it trained, each in a process of its own,
 * one right after the other. Fails where a goal is missed.
 *
 * With `--head`, `--long` or `--pretrain` it trains bertcnn alone with one option or another: the studies of
 * scripts/experiments/studies.mjs. With `--explanations` it deletes tokens that explanations name, and those that
 * integrated gradients do.
 *
 * With `--untimed`, where other work runs beside it, times are not kept. What has run is kept in scripts/experiments/runs.json, and another call goes on from there; `--fresh` forgets it. With
 * `--docs` the tables go to docs/results.md.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { minilm } from "./assets.mjs";
import { describeMachine, multipliesBfloat16 } from "./bench/peers/machine.mjs";
import { asText } from "./bench/peers/table.mjs";
import { Kept } from "./experiments/kept.mjs";
import { deletionTable, judge, studyTable, tableOf, writeDocs } from "./experiments/results.mjs";
import { SETS, writeSplit } from "./experiments/sets.mjs";
import { STUDIES } from "./experiments/studies.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { run } from "./setup/process.mjs";
import { SetupError } from "./setup/project.mjs";
import { pythonPackages } from "./setup/python.mjs";

const FOLDER = fileURLToPath(new URL("experiments", import.meta.url));
/** Texts of a set that are used, drawn once: with all of them the runs would take most of a day. */
const TEXTS = 2000;
const TEST_SIZE = 0.2;
const EXPLAINED = 200; // texts
const SETTINGS = { epochs: 3, batchSize: 32, learningRate: 5e-5, headLearningRate: 1e-3 };
const SYSTEMS = {
  prototype: ["python3", path.join(FOLDER, "prototype.py")],
  bertcnn: [process.execPath, path.join(FOLDER, "ours.mjs")],
};

function readOptions() {
  const { values } = parseArgs({
    options: {
      sets: { type: "string", default: SETS.map(({ name }) => name).join() },
      seeds: { type: "string", default: "3" },
      dtypes: { type: "string", default: "float32,bfloat16" },
      limit: { type: "string", default: String(TEXTS) }, // texts of a set
      fresh: { type: "boolean", default: false },
      untimed: { type: "boolean", default: false },
      docs: { type: "boolean", default: false },
      explanations: { type: "boolean", default: false },
      ...Object.fromEntries(Object.keys(STUDIES).map((name) => [name, { type: "boolean" }])),
    },
  });
  const names = values.sets.split(",");
  const unknown = names.find((name) => !SETS.some((set) => set.name === name));
  if (unknown !== undefined) throw new SetupError(`--sets: there is no '${unknown}'`);
  const numbers = ["seeds", "limit"].map((name) => Number(values[name]));
  if (!numbers.every((number) => number >= 1)) {
    throw new SetupError("--seeds and --limit: expected numbers of at least 1");
  }
  if (values.docs && numbers[1] < TEXTS) {
    throw new SetupError("--docs: fewer texts tell little; leave out --limit");
  }
  return {
    sets: SETS.filter(({ name }) => names.includes(name)),
    seeds: Array.from({ length: Number(values.seeds) }, (_, i) => i + 1),
    dtypes: possible(values.dtypes.split(",")),
    limit: Number(values.limit),
    studies: Object.keys(STUDIES).filter((name) => values[name]),
    explanations: values.explanations,
    fresh: values.fresh,
    untimed: values.untimed,
    docs: values.docs,
  };
}

/** The precisions that this processor multiplies. */
function possible(dtypes) {
  if (multipliesBfloat16()) return dtypes;
  if (dtypes.includes("bfloat16"))
    console.log("left out: bfloat16, which this processor does not multiply");
  return dtypes.filter((dtype) => dtype !== "bfloat16");
}

/** Deletes what explanations name first, and what integrated gradients do. */
async function deletions({ docs }, { env, scratch, task, machine }) {
  const set = SETS.find(({ name }) => name === "movies");
  const seed = 1;
  const split = { seed, folder: scratch, limit: TEXTS, testSize: TEST_SIZE };
  const files = await writeSplit(set, split);
  const call = async ([command, script], own) => {
    const file = path.join(scratch, "task.json");
    writeFileSync(file, JSON.stringify({ ...task(set), ...files, ...own, seed, scratch }));
    return JSON.parse(await run(command, [path.join(FOLDER, script), file], { what: script, env }));
  };
  const dtype = possible(["bfloat16"])[0] ?? "float32";
  const fitted = await call([process.execPath, "explanations.mjs"], {
    dtype,
    explained: EXPLAINED,
  });
  const found = await call(["python3", "deletion.py"], fitted);
  const table = deletionTable(found);
  console.log(asText(table));
  if (!docs) return;
  const facts = [
    `${String(found.texts)} movie reviews, of a model fitted as in results.md`,
    machine.processor,
  ];
  await writeDocs(" --explanations", facts, table, "explanations.md");
}

/** Trains once, in a process of its own, timed from its start to its end. */
async function train(system, task, { env, scratch }) {
  const [command, script] = SYSTEMS[system];
  const file = path.join(scratch, "task.json");
  writeFileSync(file, JSON.stringify(task));
  const begin = performance.now();
  const printed = await run(command, [script, file], { what: `training by ${system}`, env });
  return { ...JSON.parse(printed), seconds: (performance.now() - begin) / 1000 };
}

/** Both systems beside each other. */
async function compare(options, surroundings) {
  const conditions = { limit: options.limit, ...SETTINGS };
  const kept = new Kept(conditions, options.fresh);
  for (const dtype of options.dtypes) {
    for (const set of options.sets) {
      for (const seed of options.seeds) {
        const what = { set: set.name, dtype, seed };
        if (kept.has(what)) continue;
        const split = { seed, folder: surroundings.scratch, limit: options.limit };
        const files = await writeSplit(set, { ...split, testSize: TEST_SIZE });
        const task = { ...surroundings.task(set), ...files, seed, dtype };
        const runs = {};
        for (const system of Object.keys(SYSTEMS)) {
          runs[system] = await train(system, task, surroundings);
          tell([set.name, dtype, `seed ${String(seed)}`, system], runs[system]);
        }
        if (options.untimed) for (const one of Object.values(runs)) delete one.seconds;
        kept.add({ ...what, ...runs, ...surroundings.machine });
      }
    }
  }
  console.log(asText(tableOf(kept.records, options.sets)));
  const judged = judge(kept.records, options.sets);
  console.log(judged.join("\n"));
  if (judged.some((line) => line.startsWith("MISSED"))) process.exitCode = 1;
  if (options.docs) {
    const facts = [...machines(kept.records), `at most ${String(options.limit)} texts of a set`];
    facts.push("a seed decides split, order, head and dropout");
    await writeDocs("", facts, tableOf(kept.records, SETS));
  }
}

/** bertcnn's options beside each other, seed by seed. */
async function study(name, options, surroundings) {
  const { variants, set: setName, texts, testSize, epochs, load } = STUDIES[name];
  const set = SETS.find((one) => one.name === setName);
  const dtype = possible(["bfloat16"])[0] ?? "float32";
  const kept = new Kept(
    { study: name, dtype, texts, testSize, load, ...SETTINGS, epochs },
    options.fresh,
  );
  for (const seed of options.seeds) {
    const split = { seed, folder: surroundings.scratch, limit: texts, testSize };
    const files = await writeSplit(set, split);
    for (const { title, ...variant } of variants) {
      const what = { set: setName, variant: title, seed };
      if (kept.has(what)) continue;
      const both = { ...load, ...variant.load };
      const task = {
        ...surroundings.task(set),
        epochs,
        ...files,
        seed,
        dtype,
        ...variant,
        load: both,
      };
      const made = await train("bertcnn", task, surroundings);
      tell([name, `seed ${String(seed)}`, title], made);
      kept.add({ ...what, ...made, ...surroundings.machine });
    }
  }
  const table = studyTable(kept.records, variants, set);
  console.log(asText(table));
  if (!options.docs) return;
  const facts = [
    ...machines(kept.records),
    dtype,
    `${String(texts)} texts, ${String(100 * testSize)} % of them tested`,
  ];
  facts.push(`${String(epochs)} epochs`);
  await writeDocs(` --${name}`, facts, table);
}

function tell(what, { score, seconds }) {
  console.log(`${what.join(", ")}: ${score.toFixed(4)} in ${seconds.toFixed(0)} s`);
}

/** Where the records were made. */
function machines(records) {
  const all = records.map(({ processor, threads }) => `${processor}, ${String(threads)} cores`);
  return [[...new Set(all)].join("; ")];
}

await reportingFailure(async () => {
  const options = readOptions();
  await setUp();
  const env = { ...process.env, PYTHONPATH: await pythonPackages(), PYTHONDONTWRITEBYTECODE: "1" };
  const encoder = await minilm();
  const machine = { processor: describeMachine().processor, threads: os.availableParallelism() };
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-experiments-"));
  const task = ({ problemType, labels, maxLength }) => ({
    ...{ ...SETTINGS, encoder, threads: machine.threads, problemType, labels, maxLength },
  });
  try {
    const surroundings = { env, scratch, machine, task };
    for (const name of options.studies) await study(name, options, surroundings);
    if (options.explanations) await deletions(options, surroundings);
    if (options.studies.length === 0 && !options.explanations) await compare(options, surroundings);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});
