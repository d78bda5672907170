/** The models that the contenders load, made once and kept in the cache. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { minilm, ratings } from "../../assets.mjs";
import { randomNumbers, readRatings, shuffled } from "../../demo/ratings.mjs";
import { cacheDirectory, makeOnce } from "../../setup/cache.mjs";
import { run } from "../../setup/process.mjs";
import { root, say } from "../../setup/project.mjs";

const FOLDER = path.dirname(fileURLToPath(import.meta.url));
const SCRIPT = path.join(FOLDER, "make_models.py");
/** What decides how a model comes out. */
const SOURCES = [SCRIPT, path.join(FOLDER, "peer.py"), path.join(root, "test/parity/bert_cnn.py")];
const MOVIES = "movieReviewSnippets_GroundTruth.txt";
const [TRAINED, HELD_OUT] = [2000, 2000];

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {string} title
 * @property {string} folder as `savePretrained` writes it, with reference.json and maybe texts.json
 * @property {object} config
 * @property {number} weights in bytes
 * @property {(form: "onnx" | "ctranslate2") => Promise<string>} converted the folder of another form, made on demand
 */

/** Random weights in BERT-base's shape. @returns {Promise<Model>} */
export async function baseModel(env) {
  return make("bert-base", "BERT-base, random weights", { seed: 1, config: {} }, env);
}

/**
 * A model for sentences: the user's, or MiniLM with a head that is trained on ratings of movie reviews here.
 *
 * @param {{ model?: string, data?: string }} given
 * @returns {Promise<Model>}
 */
export async function sentenceModel(given, env) {
  const source = given.model ?? (await minilm());
  const file = given.data ?? path.join(await ratings(), MOVIES);
  const { train, texts } = await readSentences(file);
  const specification = {
    model: source,
    weights: weightsStamp(source),
    train: train.map(({ text, rating }) => [text, rating]),
    texts: texts.map(({ text }) => text),
    ratings: texts[0].rating === undefined ? null : texts.map(({ rating }) => rating),
  };
  const own = given.model !== undefined || given.data !== undefined;
  const title = own
    ? `${path.basename(source)} on ${path.basename(file)}`
    : "MiniLM, sentences of movie reviews";
  return make(own ? "sentences" : "minilm-movies", title, specification, env);
}

/** Lines of id, rating and text between tabs, or of text alone; some to train a head with, others to be timed. */
async function readSentences(file) {
  const rated = await readRatings(file).catch(() => null);
  const all = rated ?? readLines(file);
  const drawn = shuffled(all, randomNumbers(0));
  const held = Math.min(HELD_OUT, Math.ceil(drawn.length / 2));
  return {
    texts: drawn.slice(0, held),
    train: rated === null ? [] : drawn.slice(held, held + TRAINED),
  };
}

function readLines(file) {
  const lines = readFileSync(file, "utf8").split(/\r?\n/);
  return lines.filter((line) => line.trim() !== "").map((text) => ({ text }));
}

/** Tells a user's weights from those that had their place before. */
function weightsStamp(source) {
  const names = ["model.safetensors", "pytorch_model.bin"];
  const file = names.map((name) => path.join(source, name)).find((name) => existsSync(name));
  if (file === undefined) return null;
  const { size, mtimeMs } = statSync(file);
  return [size, mtimeMs];
}

/** @returns {Promise<Model>} */
async function make(name, title, specification, env) {
  const text = JSON.stringify(specification);
  const hash = createHash("sha256").update(text);
  for (const file of SOURCES) hash.update(readFileSync(file));
  const place = path.join(cacheDirectory(), "bench", `${name}-${hash.digest("hex").slice(0, 12)}`);
  mkdirSync(place, { recursive: true });
  const file = path.join(place, "specification.json");
  writeFileSync(file, text);
  const folder = await form(place, "model", file, title, env);
  return {
    name,
    title,
    folder,
    config: JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8")),
    weights: statSync(path.join(folder, "model.safetensors")).size,
    converted: (kind) => form(place, kind, folder, title, env),
  };
}

async function form(place, kind, source, title, env) {
  const target = path.join(place, kind);
  await makeOnce(target, async (folder) => {
    say(`making the ${kind === "model" ? "model" : `${kind} form`} of ${title}`);
    const what = `making ${title} (${kind})`;
    await run("python3", [SCRIPT, kind, folder, source], { what, env });
  });
  return target;
}
