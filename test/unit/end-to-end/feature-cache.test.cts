import { readdir } from "node:fs/promises";
import path from "node:path";

import { evaluateBatch } from "../../../src/bert-cnn.cjs";
import type { BertCnn, BertCnnOptions, TrainingOptions } from "../../../src/index.cjs";
import { expectClose, load, temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const batches = [
  { texts: ["a good movie", "awful", "great"], labels: ["good", "bad", "good"] },
  { texts: ["very bad plot", "like it"], labels: ["bad", "good"] },
];
const options: BertCnnOptions = { labels: ["bad", "good"], seed: 3 };

/** The losses of two epochs. */
async function train(model: BertCnn): Promise<number[]> {
  const losses = [];
  for (const batch of [...batches, ...batches]) losses.push((await model.trainStep(batch)).loss);
  return losses;
}

async function configured(
  featureCache: TrainingOptions["featureCache"],
  more?: BertCnnOptions,
): Promise<BertCnn> {
  const model = await load("tiny-bert", { ...options, ...more });
  model.configureTraining({ headLearningRate: 1e-2, featureCache });
  return model;
}

const nothing = { rows: 0, memoryBytes: 0, fileBytes: 0 };

describe("the feature cache", () => {
  it("computes each text once and takes the steps that are taken without", async () => {
    const cached = await configured(true);
    expectClose(await train(cached), await train(await configured(false)));
    const { memoryBytes, ...counts } = cached.stats().featureCache;
    expect(counts).toEqual({ rows: 5, fileBytes: 0, hits: 5, misses: 5 });
    expect(memoryBytes).toBeGreaterThan(0);
  });

  it("takes the same steps bit for bit wherever it keeps what it has", async () => {
    const directory = await temporaryFolder();
    const onDisk = await configured({ memory: 0, directory });
    expect(await train(onDisk)).toEqual(await train(await configured({})));
    expect(onDisk.stats().featureCache.fileBytes).toBeGreaterThan(0);
    expect(await readdir(directory)).toEqual([]);
  });

  it("takes half the bytes in bfloat16", async () => {
    const [half, whole] = [
      await configured({ memory: 0, dtype: "bfloat16" }),
      await configured({ memory: 0 }),
    ];
    const [losses, exact] = [await train(half), await train(whole)];
    expect(losses).not.toEqual(exact);
    losses.forEach((loss, i) => {
      expect(loss).toBeCloseTo(exact[i]!, 1);
    });
    const bytes = whole.stats().featureCache.fileBytes;
    expect(half.stats().featureCache.fileBytes).toBe(bytes / 2);
  });

  it("serves evaluations between the steps", async () => {
    const model = await configured(true);
    await model.trainStep(batches[0]!);
    const texts = [...batches[0]!.texts, "a new text"];
    const evaluated = await evaluateBatch(model, texts);
    expect(model.stats().featureCache).toMatchObject({ rows: 4, hits: 3, misses: 4 });
    expectClose(evaluated.logits.data, (await model.predict(texts)).logits.data);
    expect(evaluated.truncated).toEqual(new Uint8Array(4));
    expect((await evaluateBatch(model, [])).logits.dims).toEqual([0, 2]);
  });

  it("is not needed for an evaluation", async () => {
    const model = await load("tiny-bert", options);
    const { logits } = await evaluateBatch(model, "great");
    expectClose(logits.data, (await model.predict("great")).logits.data);
    expect(model.stats().featureCache).toEqual({ ...nothing, hits: 0, misses: 0 });
  });

  it("is empty while the encoder is trained", async () => {
    const model = await configured(true);
    await train(model);
    await model.setFreeze(1);
    expect(model.stats().featureCache).toMatchObject(nothing);
    await train(model);
    expect(model.stats().featureCache).toMatchObject(nothing);
    await model.setFreeze("encoder");
    await train(model);
    expect(model.stats().featureCache).toMatchObject({ rows: 5, hits: 10, misses: 10 });
  });

  it("begins anew with the training and with other weights", async () => {
    const model = await configured(true);
    await train(model);
    model.configureTraining({ featureCache: true });
    await model.parameterGroups();
    expect(model.stats().featureCache).toEqual({ ...nothing, hits: 0, misses: 0 });
    await train(model);
    const file = path.join(await temporaryFolder(), "weights.safetensors");
    await model.saveStateDict(file);
    await model.loadStateDict(file);
    await train(model);
    expect(model.stats().featureCache).toMatchObject({ rows: 5, misses: 10 });
    model.configureTraining();
    await model.parameterGroups();
    expect(model.stats().featureCache).toMatchObject(nothing);
  });

  it("is refused in a directory that is none", async () => {
    const model = await configured({ directory: "/no/such/folder" });
    const step = model.trainStep(batches[0]!);
    await expectError(step, "ERR_INVALID_ARGUMENT", "'/no/such/folder'");
  });
});
