import { readFile } from "node:fs/promises";
import path from "node:path";

import { BertCnn, type BertCnnOptions } from "../../../src/index.cjs";
import { expectClose, load, temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const texts = ["a good movie , great", "bad", "the plot is not very good !"];
const batch = { texts, labels: ["good", "bad", "bad"] };
const HEADS: [string, BertCnnOptions, Record<string, unknown>][] = [
  ["gelu", { activation: "gelu" }, { activation: "gelu" }],
  ["gates", { activation: "glu" }, { activation: "glu" }],
  ["mean", { pooling: "mean" }, { pooling: "mean" }],
  ["max and mean", { pooling: "max-mean" }, { pooling: "max-mean" }],
  ["k-max", { pooling: "k-max", poolingSize: 2 }, { pooling: "k-max", pooling_size: 2 }],
  ["attention", { pooling: "attention" }, { pooling: "attention" }],
  ["layer norm", { layerNorm: true }, { layer_norm: true }],
  ["the mean of layers", { hiddenLayers: 2 }, { hidden_layers: 2, layer_combination: "mean" }],
  [
    "layers side by side",
    { hiddenLayers: 2, layerCombination: "concat" },
    { hidden_layers: 2, layer_combination: "concat" },
  ],
  [
    "a mix of layers",
    { hiddenLayers: 2, layerCombination: "mix" },
    { hidden_layers: 2, layer_combination: "mix" },
  ],
];

describe.each(HEADS)("a head with %s", (_name, head, section) => {
  const options: BertCnnOptions = { labels: ["bad", "good"], seed: 3, numFilters: 8, ...head };

  it.each(["frozen", "fine-tune"] as const)("learns: %s", async (variant) => {
    const model = await load("tiny-bert", { ...options, variant, dropout: 0 });
    model.configureTraining({ learningRate: 1e-3, headLearningRate: 2e-2 });
    const losses: number[] = [];
    for (let i = 0; i < 30; i++) losses.push((await model.trainStep(batch)).loss);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 2);
  });

  it("gives a text the same logits alone and among others", async () => {
    const model = await load("tiny-bert", options);
    const { logits } = await model.predict(texts);
    for (const [i, text] of texts.entries()) {
      const alone = await model.predict(text);
      expectClose(alone.logits.data, logits.data.slice(2 * i, 2 * i + 2));
    }
  });

  it("is saved and loaded, and keeps its form", async () => {
    const directory = path.join(await temporaryFolder(), "saved");
    const model = await load("tiny-bert", options);
    await model.savePretrained(directory);
    const text = await readFile(path.join(directory, "config.json"), "utf8");
    const config = JSON.parse(text) as { bert_cnn: object };
    expect(config.bert_cnn).toMatchObject(section);
    await using again = await BertCnn.fromPretrained(directory, { device: "cpu" });
    const [before, after] = [await model.predict(texts), await again.predict(texts)];
    expectClose(after.logits.data, before.logits.data);
    const plain = {
      activation: "relu",
      pooling: "max",
      layerNorm: false,
      hiddenLayers: 1,
    } as const;
    const load_ = BertCnn.fromPretrained(directory, plain);
    await expectError(load_, "ERR_INVALID_ARGUMENT", "trained head");
  });

  it("is trained on cached features as on computed ones", async () => {
    const model = await load("tiny-bert", { ...options, dropout: 0 });
    const plain = await load("tiny-bert", { ...options, dropout: 0 });
    model.configureTraining({ headLearningRate: 1e-2, featureCache: {} });
    plain.configureTraining({ headLearningRate: 1e-2 });
    for (let i = 0; i < 3; i++) {
      const cached = await model.trainStep(batch);
      const computed = await plain.trainStep(batch);
      expect(cached.loss).toBeCloseTo(computed.loss, 5);
    }
    expect(model.stats().featureCache.hits).toBe(6);
  });
});

describe("options of the head", () => {
  it("are refused where they have no effect or cannot be", async () => {
    const refused: [BertCnnOptions, string][] = [
      [{ poolingSize: 2 }, "poolingSize has an effect only with pooling: 'k-max'"],
      [
        { layerCombination: "mix" },
        "layerCombination has an effect only with hiddenLayers above 1",
      ],
      [{ hiddenLayers: 3 }, "from 1 to 2 for hiddenLayers but received 3"],
      [{ pooling: "k-max", poolingSize: 65 }, "poolingSize"],
      [{ activation: "selu" as "gelu" }, "activation"],
      [{ pooling: "min" as "max" }, "pooling"],
      [{ hiddenDropout: 2 }, "hiddenDropout"],
    ];
    for (const [options, message] of refused) {
      await expectError(load("tiny-bert", options), "ERR_INVALID_ARGUMENT", message);
    }
  });

  it("set BERT's dropout, which is saved", async () => {
    const model = await load("tiny-bert", { hiddenDropout: 0.3, attentionDropout: 0.2 });
    expect(model.config["hidden_dropout_prob"]).toBe(0.3);
    expect(model.config["attention_probs_dropout_prob"]).toBe(0.2);
  });
});
