/** What the JavaScript contenders share: the protocol, batches, padding. See README.md. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {string[] | number[][]} texts sentences or token ids
 * @property {number} batch texts in a batch
 */

/**
 * A contender. `padding` says what a padded batch's logits are: "convolved" over pad positions, as the prototype's
 * are, or "ignored": those of each row alone.
 *
 * @typedef {object} Contender
 * @property {"convolved" | "ignored"} padding
 * @property {(folder: string, settings: object) => Promise<object>} load returns what is printed: version, settings
 * @property {((texts: string[]) => number[][])} [tokenize]
 * @property {(rows: number[][]) => any} prepare a batch as this system's tensors; not timed where ids are handed over
 * @property {(batch: any) => Promise<number[][]>} run the logits of a prepared batch
 * @property {number} [parallel] batches that it computes at the same time
 */

/** Tokens that a batch has at least, for the largest kernel, and a text at most. @param {string} folder */
export function limitsOf(folder) {
  const read = (name) => JSON.parse(readFileSync(path.join(folder, name), "utf8"));
  const { bert_cnn: head, max_position_embeddings: positions } = read("config.json");
  const told = existsSync(path.join(folder, "tokenizer_config.json"))
    ? read("tokenizer_config.json").model_max_length
    : undefined;
  return { least: Math.max(...head.filter_sizes), most: Math.min(positions, told ?? positions) };
}

/**
 * Token ids of several texts as a padded batch: `[rows, length]`, by rows.
 *
 * @param {number[][]} rows @param {number} least its length at least
 */
export function padded(rows, least) {
  const length = Math.max(least, ...rows.map((row) => row.length));
  const ids = new BigInt64Array(rows.length * length);
  const mask = new BigInt64Array(rows.length * length);
  for (const [index, row] of rows.entries()) {
    ids.set(row.map(BigInt), index * length);
    mask.fill(1n, index * length, index * length + row.length);
  }
  return { dims: [rows.length, length], ids, mask, types: new BigInt64Array(ids.length) };
}

/**
 * Indices of the rows of each batch: by `arrival`, `sorted` by length (longest first), or `each` and `alone` one row
 * a batch.
 *
 * @param {number[]} lengths
 * @param {string} mode
 * @param {number} size
 */
export function batchesOf(lengths, mode, size) {
  const order = lengths.map((_, index) => index);
  if (mode === "sorted") order.sort((a, b) => lengths[b] - lengths[a]);
  const step = mode === "arrival" || mode === "sorted" ? size : 1;
  const batches = [];
  for (let i = 0; i < order.length; i += step) batches.push(order.slice(i, i + step));
  return batches;
}

/**
 * Seconds and logits of one pass over a workload.
 *
 * @param {Contender} contender @param {Workload} workload @param {string} mode
 */
export async function feed(contender, { texts, batch }, mode) {
  const areIds = typeof texts[0] !== "string";
  let begin = performance.now();
  const rows = areIds ? texts : contender.tokenize(texts);
  const lengths = rows.map((row) => row.length);
  const order = batchesOf(lengths, mode, batch);
  const batches = order.map((chosen) => contender.prepare(chosen.map((index) => rows[index])));
  if (areIds) begin = performance.now();
  const results = new Array(batches.length);
  let next = 0;
  const work = async () => {
    for (let i = next++; i < batches.length; i = next++)
      results[i] = await contender.run(batches[i]);
  };
  const parallel = mode === "alone" ? 1 : (contender.parallel ?? 1);
  await Promise.all(Array.from({ length: parallel }, work));
  const seconds = (performance.now() - begin) / 1000;
  return { seconds, logits: inArrival(order, results) };
}

function inArrival(order, results) {
  const logits = [];
  for (const [index, chosen] of order.entries()) {
    for (const [place, row] of chosen.entries()) logits[row] = results[index][place];
  }
  return logits;
}

/** `[rows, labels]` as one array a row. */
export function rowsOf(data, rows) {
  const labels = data.length / rows;
  return Array.from({ length: rows }, (_, row) =>
    Array.from(data.subarray(row * labels, (row + 1) * labels)),
  );
}

/**
 * Answers JSON lines on standard input until it ends.
 *
 * @param {Contender & { feed?: (workload: Workload, mode: string) => Promise<{ seconds: number, logits: number[][] }> }} contender
 */
export async function serve(contender) {
  const workloads = new Map();
  const answer = async (request) => {
    if (request.do === "load") {
      for (const workload of JSON.parse(readFileSync(request.workloads, "utf8"))) {
        workloads.set(workload.name, workload);
      }
      const described = await contender.load(request.folder, request.settings);
      return { described, padding: contender.padding };
    }
    const workload = workloads.get(request.workload);
    const pass = contender.feed ?? ((...args) => feed(contender, ...args));
    const { seconds, logits } = await pass(workload, request.mode);
    return request.do === "time" ? { seconds } : { logits };
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const reply = await answer(JSON.parse(line)).catch(({ code, message, name }) => ({
      error: `${name}: ${message.split("\n")[0].slice(0, 300)}`,
      code,
    }));
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}
