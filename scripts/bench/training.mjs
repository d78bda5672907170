/**
 * Training steps of bertcnn and of the Python prototype on the same batches, by turns: `npm run bench:training
 * [-- --rounds 3 --steps 2 --quick]`. BERT-base's shape, mixed lengths, 32 texts a batch, dropout on both sides; with the
 * feature cache also MiniLM and sentences of movie reviews. Every round takes each way once, in a process of its own: a
 * step that is not timed, then those that are; with the feature cache an epoch that is not timed, then another. First
 * the losses are compared, without dropout and without padding. Fails where a goal is missed or a loss differs.
 */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { reportingFailure, setUp } from "../setup.mjs";
import { run } from "../setup/process.mjs";
import { pythonPackages } from "../setup/python.mjs";
import { describeMachine, multipliesBfloat16 } from "./peers/machine.mjs";
import { baseModel } from "./peers/models.mjs";
import { median, pairedRatio } from "./peers/statistics.mjs";
import { asText } from "./peers/table.mjs";
import { makeBatches, makeSentences } from "./training/workload.mjs";

const FOLDER = fileURLToPath(new URL("training", import.meta.url));
const PYTHON = path.join(FOLDER, "prototype.py");
const OURS = path.join(FOLDER, "ours.mjs");

const python = (title, settings) => ({ title: `prototype, ${title}`, python: true, ...settings });
const ours = (title, settings) => ({ title: `bertcnn, ${title}`, python: false, ...settings });
/** Later epochs: each batch is taken twice, and timed the second time. */
const cached = (title, settings) =>
  ours(`${title}, feature cache`, {
    freeze: "encoder",
    epochs: 2,
    training: { dtype: "float32", featureCache: true },
    ...settings,
  });

/** Ways to train, by name. */
const WAYS = {
  "python-float32": python("float32", { freeze: "none" }),
  "python-bfloat16": python("bfloat16 autocast", { freeze: "none", autocast: true }),
  "python-frozen": python("encoder frozen, float32", { freeze: "encoder" }),
  float32: ours("float32", { freeze: "none", training: { dtype: "float32" } }),
  bfloat16: ours("bfloat16", { freeze: "none", training: { dtype: "bfloat16" } }),
  frozen: ours("encoder frozen, float32", { freeze: "encoder", training: { dtype: "float32" } }),
  checkpointing: ours("float32, checkpointing", {
    freeze: "none",
    training: { dtype: "float32", gradientCheckpointing: true },
  }),
  cached: cached("encoder frozen, float32"),
  "python-minilm": python("MiniLM, encoder frozen", { freeze: "encoder", work: "sentences" }),
  minilm: ours("MiniLM, encoder frozen", {
    freeze: "encoder",
    work: "sentences",
    training: { dtype: "float32" },
  }),
  "minilm-cached": cached("MiniLM, encoder frozen", { work: "sentences" }),
};

/** What else than by its type a way is compared with. */
const BASELINES = {
  frozen: "python-frozen",
  cached: "python-frozen",
  minilm: "python-minilm",
  "minilm-cached": "python-minilm",
};

/** What is to be reached: times or memory of one way over those of another. */
const GOALS = [
  { way: "float32", over: "python-float32", of: "time", least: 3.2 },
  { way: "bfloat16", over: "python-bfloat16", of: "time", least: 2.7 },
  { way: "bfloat16", over: "python-float32", of: "time", least: 4.8 },
  { way: "frozen", over: "python-frozen", of: "time", least: 3.8 },
  { way: "cached", over: "python-frozen", of: "time", least: 50 },
  { way: "minilm-cached", over: "python-minilm", of: "time", least: 50 },
  { way: "float32", over: "python-float32", of: "memory", most: 0.6 },
  { way: "checkpointing", over: "python-float32", of: "memory", most: 0.35 },
];

/** Relative difference of losses, of two implementations of float32. */
const LOSS_BOUND = 1e-4;

/** The ways that this processor can go; others are named and left out. */
function possibleWays(names) {
  if (multipliesBfloat16()) return names;
  const left = names.filter((name) => !name.endsWith("bfloat16"));
  if (left.length < names.length) console.log("left out: bfloat16, which this processor has not");
  return left;
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "3" },
      steps: { type: "string", default: "2" },
      rows: { type: "string", default: "32" },
      ways: { type: "string", default: Object.keys(WAYS).join() },
      json: { type: "string" },
      quick: { type: "boolean", default: false },
    },
  });
  const quick = values.quick;
  return {
    rounds: quick ? 1 : Number(values.rounds),
    steps: quick ? 1 : Number(values.steps),
    rows: quick ? 8 : Number(values.rows),
    ways: possibleWays(values.ways.split(",")),
    json: values.json,
    quick,
  };
}

/** Runs one way in a process of its own. @returns {Promise<{ seconds: number[], losses: number[], peak: number }>} */
async function train(way, task, place) {
  const file = path.join(place.scratch, "task.json");
  const { freeze, autocast = false, training = {}, epochs = 1 } = way;
  writeFileSync(file, JSON.stringify({ ...task, freeze, autocast, training, epochs }));
  const [command, script] = way.python ? ["python3", PYTHON] : [process.execPath, OURS];
  const args = [script, place.folder, file];
  return JSON.parse(await run(command, args, { what: way.title, env: place.env }));
}

/** The losses of some steps of both, without dropout; the prototype computes each row alone. */
async function compareLosses(batches, common, place) {
  const task = { ...common, batches: batches.slice(0, 2), dropout: { dropout: 0 }, pad: "alone" };
  const without = { ...place, folder: withoutDropout(place) };
  const [expected, got] = [
    await train(WAYS["python-float32"], task, without),
    await train(WAYS.float32, task, without),
  ];
  return got.losses.map((loss, i) => Math.abs(loss / expected.losses[i] - 1));
}

/** A folder with the same weights and a configuration without dropout. */
function withoutDropout({ folder, scratch }) {
  const target = mkdtempSync(path.join(scratch, "model-"));
  const config = JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8"));
  Object.assign(config, { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 });
  writeFileSync(path.join(target, "config.json"), JSON.stringify(config));
  const weights = "model.safetensors";
  symlinkSync(path.join(folder, weights), path.join(target, weights));
  return target;
}

function tableOf(results) {
  const times = (name) => results[name]?.seconds ?? [];
  const baseline = (name) =>
    BASELINES[name] ?? (name.endsWith("bfloat16") ? "python-bfloat16" : "python-float32");
  const ratio = (name, over) =>
    WAYS[name].work === WAYS[over].work
      ? (pairedRatio(times(over), times(name))?.ratio.toFixed(2) ?? "")
      : "";
  const reference = results["python-float32"];
  const memory = (name) =>
    reference && WAYS[name].work === undefined
      ? (median(results[name].peaks) / median(reference.peaks)).toFixed(2)
      : "";
  const rows = Object.keys(results).map((name) => [
    WAYS[name].title,
    ratio(name, "python-float32"),
    ratio(name, baseline(name)),
    memory(name),
  ]);
  return { head: ["", "speed / float32", "speed / its own", "peak memory"], rows };
}

/** Lines about goals; a missed one begins with MISSED. */
function judge(results) {
  return GOALS.filter(({ way, over }) => results[way] && results[over]).map((goal) => {
    const [one, other] = [results[goal.way], results[goal.over]];
    const value =
      goal.of === "time"
        ? pairedRatio(other.seconds, one.seconds).ratio
        : median(one.peaks) / median(other.peaks);
    const met = goal.least === undefined ? value <= goal.most : value >= goal.least;
    const bound = goal.least === undefined ? `at most ${goal.most}` : `at least ${goal.least}`;
    const title = `${WAYS[goal.way].title}: ${goal.of} against ${WAYS[goal.over].title}`;
    return `${met ? "met   " : "MISSED"} ${title} ${value.toFixed(2)}, ${bound}`;
  });
}

await reportingFailure(async () => {
  const options = readOptions();
  await setUp();
  const env = { ...process.env, PYTHONPATH: await pythonPackages(), PYTHONDONTWRITEBYTECODE: "1" };
  const model = await baseModel(env);
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-training-"));
  const place = { folder: model.folder, scratch, env };
  const threads = os.availableParallelism();
  try {
    const steps = Math.max(2, options.steps + 1);
    const vocabulary = model.config.vocab_size;
    const batches = makeBatches({ steps, rows: options.rows, vocabulary });
    const differences = await compareLosses(batches, { threads }, place);
    console.log(`losses differ by ${Math.max(...differences).toExponential(1)} at most`);
    if (!differences.every((difference) => difference <= LOSS_BOUND)) process.exitCode = 1;
    const results = Object.fromEntries(
      options.ways.map((name) => [name, { seconds: [], peaks: [] }]),
    );
    const sentences = options.ways.some((name) => WAYS[name].work === "sentences")
      ? await makeSentences({ steps, rows: options.rows, scratch })
      : undefined;
    const task = { threads, batches, dropout: {}, pad: "batch" };
    for (let round = 0; round < options.rounds; round++) {
      for (const name of options.ways) {
        const work =
          WAYS[name].work === "sentences" ? sentences : { batches, folder: model.folder };
        const { seconds, peak } = await train(
          WAYS[name],
          { ...task, batches: work.batches },
          { ...place, folder: work.folder },
        );
        results[name].seconds.push(...seconds);
        results[name].peaks.push(peak);
        console.log(`round ${round + 1}, ${WAYS[name].title}`);
      }
    }
    const machine = describeMachine();
    console.log(`\n${JSON.stringify(machine)}\n${asText(tableOf(results))}\n`);
    const lines = options.quick ? [] : judge(results);
    for (const line of lines) console.log(line);
    if (lines.some((line) => line.startsWith("MISSED"))) process.exitCode = 1;
    if (options.json) {
      writeFileSync(options.json, JSON.stringify({ machine, options, results }, null, 2));
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
