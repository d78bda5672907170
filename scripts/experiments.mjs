/**
 * Trains bertcnn and the Python prototype on real texts, with the same splits and settings: `npm run experiments [--
 * --sets movies,spam --seeds 3 --docs]`. MiniLM with kernels 3, 4 and 5, all of it trained. By turns, each run in a
 * process of its own, timed from its start to its end. What has run is kept in a file, and another call goes on from
 * there; `--fresh` forgets it. With `--docs` the table goes to docs/results.md. Fails where a goal is missed.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
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
import { root, SetupError } from "./setup/project.mjs";
import { pythonPackages } from "./setup/python.mjs";

const FOLDER = fileURLToPath(new URL("experiments", import.meta.url));
const KEPT = path.join(root, ".cache", "experiments.json");
/** Texts of a set that are used, drawn once: with all of them the runs would take most of a day. */
const TEXTS = 2500;
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

/** Runs that were made before, on this machine and with as many texts; those made otherwise are left in the file. */
class Kept {
  constructor(limit, fresh) {
    const { processor } = describeMachine();
    this.conditions = JSON.stringify({ processor, limit, settings: SETTINGS });
    this.all = existsSync(KEPT) ? JSON.parse(readFileSync(KEPT, "utf8")) : [];
    if (fresh) this.all = this.all.filter(({ conditions }) => conditions !== this.conditions);
  }

  get runs() {
    return this.all.filter(({ conditions }) => conditions === this.conditions);
  }

  has(wanted) {
    const same = (one) => Object.entries(wanted).every(([key, value]) => one[key] === value);
    return this.runs.some(same);
  }

  add(made) {
    this.all.push({ ...made, conditions: this.conditions });
    mkdirSync(path.dirname(KEPT), { recursive: true });
    writeFileSync(`${KEPT}.part`, JSON.stringify(this.all));
    renameSync(`${KEPT}.part`, KEPT);
  }
}

/** Trains once. */
async function train({ system, ...task }, { env, scratch }) {
  const file = path.join(scratch, "task.json");
  writeFileSync(file, JSON.stringify(task));
  const [command, script] = SYSTEMS[system];
  const begin = performance.now();
  const printed = await run(command, [script, file], { what: `training by ${system}`, env });
  return { ...JSON.parse(printed), seconds: (performance.now() - begin) / 1000 };
}

await reportingFailure(async () => {
  const options = readOptions();
  await setUp();
  const env = { ...process.env, PYTHONPATH: await pythonPackages(), PYTHONDONTWRITEBYTECODE: "1" };
  const encoder = await minilm();
  const threads = os.availableParallelism();
  const kept = new Kept(options.limit, options.fresh);
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-experiments-"));
  try {
    for (const set of options.sets) {
      const { name, problemType, labels, maxLength } = set;
      for (const seed of options.seeds) {
        const files = await writeSplit(set, { seed, folder: scratch, limit: options.limit });
        const task = { ...SETTINGS, encoder, threads, problemType, labels, maxLength, seed };
        for (const dtype of options.dtypes) {
          for (const system of Object.keys(SYSTEMS)) {
            const what = { set: name, seed, system, dtype };
            if (kept.has(what)) continue;
            const made = await train({ ...task, ...files, system, dtype }, { env, scratch });
            kept.add({ ...what, ...made });
            console.log(
              `${name}, seed ${seed}, ${system}, ${dtype}: ${made.score.toFixed(4)}, ${made.seconds.toFixed(0)} s`,
            );
          }
        }
      }
    }
    console.log(asText(tableOf(kept.runs, options.sets)));
    const judged = judge(kept.runs, options.sets);
    console.log(judged.join("\n"));
    if (judged.some((line) => line.startsWith("MISSED"))) process.exitCode = 1;
    if (options.docs) await writeDocs(kept.runs, SETS, factsOf(options));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

/** What a reader of the table has to know. */
function factsOf({ seeds, limit }) {
  const { processor, cores } = describeMachine();
  return [
    `${processor}, ${cores} cores`,
    `at most ${String(limit)} texts of a set`,
    `${seeds.length} seeds: split, order, head and dropout`,
  ];
}
