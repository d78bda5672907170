/**
 * transformers.js on the same ONNX files as onnxruntime.mjs, which it computes with underneath. Settings: `packages`,
 * `dtype` ("fp32" or "q8") and `threads`.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

import { limitsOf, padded, rowsOf, serve } from "./peer.mjs";

let model;
let library;

const contender = {
  padding: "convolved",
  async load(folder, { packages, models, dtype, threads, texts }) {
    const require = createRequire(path.join(packages, "package.json"));
    library = await import(pathToFileURL(require.resolve("@huggingface/transformers")).href);
    library.env.allowRemoteModels = false;
    library.env.localModelPath = path.dirname(models);
    const id = path.basename(models);
    model = await library.AutoModelForSequenceClassification.from_pretrained(id, {
      dtype,
      device: "cpu",
      session_options: { intraOpNumThreads: threads, graphOptimizationLevel: "all" },
    });
    const { least, most: max_length } = limitsOf(folder);
    contender.prepare = (rows) => padded(rows, least);
    if (texts) {
      const tokenizer = await library.AutoTokenizer.from_pretrained(id);
      const options = { return_tensor: false, truncation: true, max_length };
      contender.tokenize = (sentences) => tokenizer(sentences, options).input_ids;
    }
    const { version } = JSON.parse(
      readFileSync(
        path.join(packages, "node_modules/@huggingface/transformers/package.json"),
        "utf8",
      ),
    );
    return {
      "transformers.js": version,
      settings: `dtype ${dtype}, device cpu, ${threads} threads, graph optimization all`,
    };
  },
  async run({ dims, ids, mask, types }) {
    const { Tensor } = library;
    const { logits } = await model({
      input_ids: new Tensor("int64", ids, dims),
      attention_mask: new Tensor("int64", mask, dims),
      token_type_ids: new Tensor("int64", types, dims),
    });
    return rowsOf(logits.data, dims[0]);
  },
};

await serve(contender);
