/**
 * onnxruntime-node on the exported, fused BERT-CNN. Settings: `file`, `threads` of a session, and `workers`: above
 * one, so many worker threads with a session each compute batches at the same time, since `run` blocks its thread.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { fileURLToPath, pathToFileURL } from "node:url";

import { limitsOf, padded, rowsOf, serve } from "./peer.mjs";

/** A function that computes prepared batches, by a session of its own. */
async function openSession({ packages, file, threads }) {
  const require = createRequire(path.join(packages, "package.json"));
  const { InferenceSession, Tensor } = require("onnxruntime-node");
  const session = await InferenceSession.create(file, {
    executionProviders: ["cpu"],
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
  });
  return async ({ dims, ids, mask, types }) => {
    const { logits } = await session.run({
      input_ids: new Tensor("int64", ids, dims),
      attention_mask: new Tensor("int64", mask, dims),
      token_type_ids: new Tensor("int64", types, dims),
    });
    return rowsOf(logits.data, dims[0]);
  };
}

async function openWorker(settings) {
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: settings });
  const next = () =>
    new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  await next();
  worker.unref(); // it does not keep the process from ending with its input
  return (batch) => {
    worker.postMessage(batch);
    return next();
  };
}

async function loadTokenizer(packages, folder, most) {
  const read = (name) => JSON.parse(readFileSync(path.join(folder, name), "utf8"));
  const file = path.join(packages, "node_modules/@huggingface/tokenizers/dist/tokenizers.mjs");
  const { Tokenizer } = await import(pathToFileURL(file).href);
  const tokenizer = new Tokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
  const encode = (text) => {
    const { ids } = tokenizer.encode(text);
    return ids.length <= most ? ids : [...ids.slice(0, most - 1), ids.at(-1)];
  };
  return (texts) => texts.map(encode);
}

const contender = {
  padding: "convolved",
  async load(folder, { workers, texts, ...settings }) {
    const open = workers === 1 ? openSession : openWorker;
    const idle = await Promise.all(Array.from({ length: workers }, () => open(settings)));
    contender.parallel = workers;
    contender.run = async (batch) => {
      const run = idle.pop(); // `parallel` calls at most are under way
      const rows = await run(batch);
      idle.push(run);
      return rows;
    };
    const { least, most } = limitsOf(folder);
    contender.prepare = (rows) => padded(rows, least);
    if (texts) contender.tokenize = await loadTokenizer(settings.packages, folder, most);
    const require = createRequire(path.join(settings.packages, "package.json"));
    const { version } = require("onnxruntime-node/package.json");
    return {
      "onnxruntime-node": version,
      settings:
        `${path.basename(settings.file)}, fused; sessions x threads ${workers} x ${settings.threads}, ` +
        "graph optimization all",
    };
  },
};

if (isMainThread) {
  await serve(contender);
} else {
  const run = await openSession(workerData);
  parentPort.on("message", async (batch) => parentPort.postMessage(await run(batch)));
  parentPort.postMessage("ready");
}
