// Jobs that the live comparison with PyTorch hands to the JavaScript API: a JSON object on standard input,
// another on standard output. run.py starts it.
import { text } from "node:stream/consumers";
import path from "node:path";

import { BertCnn, Dataset, Tokenizer } from "../../dist/index.js";

/** @param {import("../../dist/index.js").Tensor<"float32">} tensor */
function rows({ data, dims: [count, width] }) {
  return Array.from({ length: count }, (_, row) => [
    ...data.subarray(row * width, (row + 1) * width),
  ]);
}

/** @param {number[][]} ids padded with 0 to one length */
function tokenBatch(ids) {
  const length = Math.max(...ids.map((row) => row.length));
  const dims = [ids.length, length];
  const flat = (value) => Int32Array.from(ids.flatMap((row) => pad(row.map(value), length)));
  return {
    inputIds: { type: "int32", dims, data: flat((id) => id) },
    attentionMask: { type: "int32", dims, data: flat(() => 1) },
  };
}

/** @param {number[][]} values */
function matrix(values) {
  const dims = [values.length, values[0].length];
  return { type: "int32", dims, data: Int32Array.from(values.flat()) };
}

function pad(row, length) {
  return [...row, ...Array(length - row.length).fill(0)];
}

async function withModel(directory, options, use) {
  const model = await BertCnn.fromPretrained(directory, options);
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

const jobs = {
  /** Trains a few steps, so that the weights are no file's, and writes them in all three ways. */
  async write({ directory, options, texts, labels, steps, out }) {
    return withModel(directory, options, async (model) => {
      model.configureTraining({ learningRate: 1e-3 });
      for (let step = 0; step < steps; step++) await model.trainStep({ texts, labels });
      await model.savePretrained(path.join(out, "saved"));
      await model.saveStateDict(path.join(out, "weights.pt"));
      await model.saveStateDict(path.join(out, "weights.safetensors"));
      return { logits: rows((await model.predict(texts)).logits) };
    });
  },

  /** Guesses masked tokens for a few steps, and writes the model with BERT's head. */
  async pretrain({ directory, options, texts, steps, out }) {
    return withModel(directory, options, async (model) => {
      const data = Dataset.from(
        texts.map((text) => ({ text })),
        { labelColumn: null },
      );
      const run = { maxSteps: steps, batchSize: texts.length, progress: false };
      const { loss } = await model.pretrain(data, { ...run, learningRate: 1e-3 });
      await model.saveEncoder(out);
      return { loss };
    });
  },

  /** Replaces a model's weights by those of a file. */
  async load({ directory, options, texts, file }) {
    return withModel(directory, options, async (model) => {
      const report = await model.loadStateDict(file);
      return { report, logits: rows((await model.predict(texts)).logits) };
    });
  },

  /**
   * Steps on shares of a batch in turn, each with its labels; the weights that they lead to are written to a file. The
   * training state after some of the steps, where it is asked for, to another.
   */
  async train({ directory, options, training, shares, steps, file, state }) {
    return withModel(directory, options, async (model) => {
      model.configureTraining(training);
      const results = [];
      for (let step = 0; step < steps; step++) {
        if (step === state?.after) await model.saveTrainingState(state.file);
        const { labels, ...tokens } = shares[step % shares.length];
        const { loss, gradNorm, learningRates, updated } = await model.trainStep({
          tokens: Object.fromEntries(Object.entries(tokens).map(([k, v]) => [k, matrix(v)])),
          labels,
        });
        results.push({ loss, gradNorm, learningRates: [...learningRates], updated });
      }
      await model.saveStateDict(file);
      return results;
    });
  },

  /** Our own ids of texts, and the logits of the texts and of the ids that another tokenizer made. */
  async texts({ directory, options, texts, ids, maxLength }) {
    const tokenizer = await Tokenizer.fromPretrained(directory);
    const encodings = await tokenizer.encodeBatch(texts, { maxLength });
    return withModel(directory, { ...options, maxLength }, async (model) => {
      const [ofTexts, ofIds] = [await model.predict(texts), await model.predict(tokenBatch(ids))];
      return {
        ids: encodings.map((encoding) => [...encoding.ids]),
        truncated: [...ofTexts.truncated],
        logitsOfTexts: rows(ofTexts.logits),
        logitsOfIds: rows(ofIds.logits),
      };
    });
  },
};

const { job, ...details } = JSON.parse(await text(process.stdin));
process.stdout.write(JSON.stringify(await jobs[job](details)));
