/**
 * Trains bertcnn and the Python prototype on real texts, with the same splits and settings: `npm run experiments [--
 * --sets movies,spam --seeds 3 --docs]`. MiniLM with kernels 3, 4 and 5, all of it trained. Each in a process of its
 * own, one right after the other, timed from its start to its end. Such pairs are kept in scripts/experiments/runs.json,
 * and another call goes on from there; `--fresh` forgets them. With `--docs` the table goes to docs/results.md. Fails
 * where a goal is missed.
 */
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { minilm } from "./assets.mjs";
import { describeMachine, multipliesBfloat16 } from "./bench/peers/machine.mjs";
import { asText } from "./bench/peers/table.mjs";
import { judge, tableOf, writeDocs } from "./experiments/results.mjs";
import { SETS, writeSplit } from "./experiments/sets.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { run } from "./setup/process.mjs";
import { SetupError } from "./setup/project.mjs";
import { pythonPackages } from "./setup/python.mjs";

const FOLDER = fileURLToPath(new URL("experiments", import.meta.url));
const KEPT = path.join(FOLDER, "runs.json");
/** Texts of a set that are used, drawn once: with all of them the runs would take most of a day. */
const TEXTS = 2000;
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
      docs: { type: "boolean", default: false },
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
    fresh: values.fresh,
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

/** @typedef {import("./experiments/results.mjs").Pair} Pair */

/** The pairs that ran before with as many texts and the same settings; others are left in the file. */
class Kept {
  constructor(limit, fresh) {
    this.conditions = JSON.stringify({ limit, ...SETTINGS });
    /** @type {Pair[]} */
    this.all = existsSync(KEPT) ? JSON.parse(readFileSync(KEPT, "utf8")) : [];
    if (fresh) this.all = this.all.filter(({ conditions }) => conditions !== this.conditions);
  }

  get pairs() {
    return this.all.filter(({ conditions }) => conditions === this.conditions);
  }

  has(wanted) {
    const same = (pair) => Object.entries(wanted).every(([key, value]) => pair[key] === value);
    return this.pairs.some(same);
  }

  add(pair) {
    this.all.push({ ...pair, conditions: this.conditions });
    const lines = this.all.map((one) => JSON.stringify(one)).join(",\n");
    writeFileSync(`${KEPT}.part`, `[\n${lines}\n]\n`);
    renameSync(`${KEPT}.part`, KEPT);
  }
}

/** Trains both, one right after the other. */
async function trainBoth(task, { env, scratch }) {
  const runs = {};
  for (const [system, [command, script]] of Object.entries(SYSTEMS)) {
    const file = path.join(scratch, "task.json");
    writeFileSync(file, JSON.stringify(task));
    const begin = performance.now();
    const printed = await run(command, [script, file], { what: `training by ${system}`, env });
    runs[system] = { ...JSON.parse(printed), seconds: (performance.now() - begin) / 1000 };
  }
  return runs;
}

await reportingFailure(async () => {
  const options = readOptions();
  await setUp();
  const env = { ...process.env, PYTHONPATH: await pythonPackages(), PYTHONDONTWRITEBYTECODE: "1" };
  const encoder = await minilm();
  const threads = os.availableParallelism();
  const { processor } = describeMachine();
  const kept = new Kept(options.limit, options.fresh);
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-experiments-"));
  const wanted = options.dtypes.flatMap((dtype) =>
    options.sets.flatMap((set) => options.seeds.map((seed) => ({ set, seed, dtype }))),
  );
  try {
    for (const { set, seed, dtype } of wanted) {
      const what = { set: set.name, dtype, seed };
      if (kept.has(what)) continue;
      const files = await writeSplit(set, { seed, folder: scratch, limit: options.limit });
      const { problemType, labels, maxLength } = set;
      const task = { ...SETTINGS, encoder, threads, problemType, labels, maxLength, seed, dtype };
      const runs = await trainBoth({ ...task, ...files }, { env, scratch });
      kept.add({ ...what, ...runs, processor, threads });
      const told = Object.entries(runs).map(
        ([system, { score, seconds }]) =>
          `${system} ${score.toFixed(4)} in ${seconds.toFixed(0)} s`,
      );
      console.log(`${set.name}, ${dtype}, seed ${String(seed)}: ${told.join(", ")}`);
    }
    console.log(asText(tableOf(kept.pairs, options.sets)));
    const judged = judge(kept.pairs, options.sets);
    console.log(judged.join("\n"));
    if (judged.some((line) => line.startsWith("MISSED"))) process.exitCode = 1;
    if (options.docs) await writeDocs(kept.pairs, SETS, factsOf(kept.pairs, options));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

/** What a reader of the table has to know. */
function factsOf(pairs, { limit }) {
  const machines = new Set(
    pairs.map(({ processor, threads }) => `${processor}, ${String(threads)} cores`),
  );
  return [
    [...machines].join("; "),
    `at most ${String(limit)} texts of a set`,
    "a seed decides split, order, head and dropout",
  ];
}
