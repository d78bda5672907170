import path from "node:path";

import {
  Dataset,
  type BertCnnOptions,
  type MaskedLanguageEvaluation,
} from "../../../src/index.cjs";
import { load, temporaryFolder, texts } from "../support/models.cjs";
import { expectError, reasonOf } from "../support/rejection.cjs";
import { readSafetensors } from "../support/safetensors.cjs";

const options: BertCnnOptions = { labels: ["bad", "good"], seed: 3 };
const data = Dataset.from(
  texts(24).map((text) => ({ text })),
  { labelColumn: null },
);
const quiet = { progress: false, seed: 1, batchSize: 8, learningRate: 3e-3 } as const;

function weightNames(directory: string): string[] {
  return [...readSafetensors(path.join(directory, "model.safetensors")).keys()];
}

describe("pretrain", () => {
  it("learns to guess masked tokens", async () => {
    const model = await load("tiny-bert", options);
    const told: MaskedLanguageEvaluation[] = [];
    const result = await model.pretrain(data, {
      ...{ ...quiet, epochs: 30, evalDataset: data, onEvaluate: (one) => told.push(one) },
    });
    expect(result).toMatchObject({ step: 90, epoch: 30, evaluations: told });
    expect(told).toHaveLength(31);
    expect(told.at(-1)!.loss).toBeLessThan(0.8 * told[0]!.loss);
    expect(told[0]!.perplexity).toBeCloseTo(Math.exp(told[0]!.loss), 10);
  });

  it("repeats itself for the same seeds", async () => {
    const losses: number[] = [];
    for (let i = 0; i < 2; i++) {
      const model = await load("tiny-bert", options);
      losses.push((await model.pretrain(data, { ...quiet, epochs: 2 })).loss);
    }
    expect(losses[0]).toBe(losses[1]);
  });

  it("changes the encoder, keeps the head and what is frozen, and fit goes on", async () => {
    const model = await load("tiny-bert", options);
    const before = await model.predict("a good movie");
    await model.pretrain(data, { ...quiet, epochs: 1 });
    expect(model.config.bert_cnn.freeze).toBe("encoder");
    const after = await model.predict("a good movie");
    expect(after.logits.data).not.toEqual(before.logits.data);
    await expectError(
      model.trainStep({ texts: ["good"], labels: ["good"] }),
      "ERR_TRAINING_NOT_CONFIGURED",
    );
    const rows = texts(16).map((text, i) => ({ text, label: i % 2 ? "good" : "bad" }));
    const { step } = await model.fit(Dataset.from(rows), { progress: false, epochs: 1 });
    expect(step).toBe(1);
  });

  it("writes BERT's head with the encoder, and reads it again", async () => {
    const directory = path.join(await temporaryFolder(), "saved");
    const model = await load("tiny-bert", options);
    await model.pretrain(data, { ...quiet, epochs: 20 });
    await model.saveEncoder(directory);
    expect(weightNames(directory)).toContain("cls.predictions.transform.dense.weight");
    const [again, anew] = [await load(directory, options), await load("tiny-bert", options)];
    const evaluations = [];
    for (const one of [model, again, anew]) {
      const result = await one.pretrain(data, {
        ...{ ...quiet, maxSteps: 1, learningRate: 0, weightDecay: 0, evalDataset: data },
      });
      evaluations.push(result.evaluations[0]!.loss);
    }
    expect(evaluations[1]).toBeCloseTo(evaluations[0]!, 5);
    expect(evaluations[2]).toBeGreaterThan(evaluations[0]! + 0.2);
    const saved = path.join(await temporaryFolder(), "whole");
    await model.savePretrained(saved);
    expect(weightNames(saved)).not.toContain("cls.predictions.bias");
    await (await load(saved)).loadStateDict(path.join(saved, "model.safetensors"));
  });

  it("keeps BERT's head where a state dict is refused", async () => {
    const directory = path.join(await temporaryFolder(), "saved");
    const other = await load("tiny-bert", options);
    await other.pretrain(data, { ...quiet, epochs: 20 });
    await other.saveEncoder(directory);
    const file = path.join(directory, "model.safetensors");
    const model = await load("tiny-bert", options);
    const loss = async () => {
      const run = { ...quiet, maxSteps: 1, learningRate: 0, weightDecay: 0, evalDataset: data };
      return (await model.pretrain(data, run)).evaluations[0]!.loss;
    };
    const before = await loss();
    await expectError(model.loadStateDict(file), "ERR_CHECKPOINT_MISMATCH", "fc.weight");
    expect(await loss()).toBe(before);
    await model.loadStateDict(file, { strict: false });
    expect(await loss()).toBeLessThan(before - 0.2);
  });

  it("writes the encoder alone, for a new model", async () => {
    const directory = path.join(await temporaryFolder(), "encoder");
    const model = await load("tiny-bert", { labels: ["a", "b", "c"], seed: 3 });
    await model.pretrain(data, { ...quiet, epochs: 1 });
    await model.saveEncoder(directory);
    expect(weightNames(directory).every((name) => /^(bert|cls)\./.test(name))).toBe(true);
    const next = await load(directory, { labels: ["x", "y"] });
    expect(next.loadReport.initialized).toContain("fc.weight");
    expect(next.loadReport.initialized.some((name) => name.startsWith("bert."))).toBe(false);
    const plain = path.join(await temporaryFolder(), "plain");
    await (await load("tiny-bert", options)).saveEncoder(plain);
    expect(weightNames(plain).every((name) => name.startsWith("bert."))).toBe(true);
  });

  it("refuses a checkpoint that holds a part of BERT's head", async () => {
    const model = await load("tiny-legacy", options);
    const run = model.pretrain(data, quiet);
    await expectError(run, "ERR_CHECKPOINT_MISMATCH", "cls.predictions.transform.dense.bias");
  });

  it("steps by itself, too, with frozen layers and accumulation", async () => {
    const model = await load("tiny-bert", { ...options, variant: "max-over-time", freeze: 1 });
    const step = { objective: "masked-language-model", gradientAccumulationSteps: 2 } as const;
    model.configureTraining({ ...step, learningRate: 1e-3, maskProbability: 0.5 });
    const groups = await model.parameterGroups();
    const names = groups.flatMap(({ parameters }) => parameters);
    expect(names).toContain("cls.predictions.bias");
    expect(names.some((name) => name.startsWith("bert.encoder.layer.1."))).toBe(true);
    expect(names.some((name) => /^bert.(embeddings|encoder.layer.0)/.test(name))).toBe(false);
    expect(names.some((name) => /^(convs|fc)/.test(name))).toBe(false);
    const first = await model.trainStep({ texts: ["a good movie"] });
    const second = await model.trainStep({ texts: ["a bad movie"] });
    expect([first.updated, second.updated]).toEqual([false, true]);
    expect([...first.logits.dims]).toEqual([0, 2]);
    await expectError(
      model.trainStep({ texts: ["a"], labels: ["good"] }),
      "ERR_INVALID_ARGUMENT",
      "no labels",
    );
    await expectError(model.trainStep({ texts: [""] }), "ERR_INVALID_INPUT", "token to mask");
    const file = path.join(await temporaryFolder(), "state.safetensors");
    await expectError(model.saveTrainingState(file), "ERR_INVALID_ARGUMENT", "classification");
  });

  it("leaves out batches that have no token to mask", async () => {
    const model = await load("tiny-bert", options);
    const some = Dataset.from([{ text: "a good movie" }, { text: "" }], { labelColumn: null });
    const run = { ...quiet, batchSize: 1, shuffle: false, epochs: 2 };
    const result = await model.pretrain(some, { ...run, evalDataset: some });
    expect(result).toMatchObject({ step: 2, skippedBatches: 2, epoch: 2 });
    const none = Dataset.from([{ text: "" }], { labelColumn: null });
    await expectError(model.pretrain(none, run), "ERR_INVALID_INPUT", "token to mask");
  });

  it("goes on after a fit whose best weights were in a temporary file", async () => {
    const model = await load("tiny-bert", { ...options, variant: "max-over-time" });
    const rows = texts(16).map((text, i) => ({ text, label: i % 2 ? "good" : "bad" }));
    const labelled = Dataset.from(rows);
    await model.fit(labelled, { progress: false, epochs: 1, evalDataset: labelled });
    expect((await model.pretrain(data, { ...quiet, epochs: 1 })).step).toBe(3);
  });

  it("gives the same loss whether texts are long or in windows of a batch", async () => {
    // More tokens than are computed together: the losses of the parts add up.
    const long = {
      ...options,
      maxLength: 20,
      longText: "window",
      variant: "max-over-time",
    } as const;
    const many = texts(20).map((text) => `${text} `.repeat(60));
    const losses = [];
    for (const gradientCheckpointing of [false, true]) {
      const model = await load("tiny-bert", { ...long, dropout: 0 });
      const objective = "masked-language-model";
      model.configureTraining({ objective, gradientCheckpointing, learningRate: 1e-3 });
      for (let i = 0; i < 2; i++) losses.push((await model.trainStep({ texts: many })).loss);
    }
    expect(losses[2]).toBeCloseTo(losses[0]!, 5);
    expect(losses[3]).toBeCloseTo(losses[1]!, 4);
    expect(losses[1]).not.toBe(losses[0]);
  });

  it("stops with the signal's reason, and what is frozen is as before", async () => {
    const model = await load("tiny-bert", options);
    const controller = new AbortController();
    const onStep = () => {
      controller.abort(new Error("enough"));
    };
    const run = model.pretrain(data, { ...quiet, signal: controller.signal, onStep });
    expect(await reasonOf(run)).toBe(controller.signal.reason);
    expect(model.config.bert_cnn.freeze).toBe("encoder");
  });

  it("refuses what cannot be", async () => {
    const model = await load("tiny-bert", options);
    const refused = (given: object, message: string) =>
      expectError(model.pretrain(data, given), "ERR_INVALID_ARGUMENT", message);
    await refused({ maskProbability: 0 }, "options.maskProbability");
    await refused({ headLearningRate: 1 }, "headLearningRate");
    await refused({ schedule: "linear", warmupSteps: 1e9 }, "warmupSteps");
    await expectError(
      model.pretrain(data, { gradientAccumulationSteps: 99, epochs: 1 }),
      "ERR_INVALID_INPUT",
      "99 batches",
    );
    await refused({ freeze: "encoder" }, "frozen");
    await refused({ evalDataset: [] }, "options.evalDataset");
    await expectError(model.pretrain([] as never), "ERR_INVALID_ARGUMENT", "data");
    await expectError(model.pretrain(Dataset.from([])), "ERR_INVALID_INPUT", "one text");
    expect(() => {
      model.configureTraining({ maskProbability: 0.2 });
    }).toThrow("maskProbability");
    expect(() => {
      model.configureTraining({ objective: "masked-language-model", featureCache: true });
    }).toThrow("featureCache");
    expect(model.config.bert_cnn.freeze).toBe("encoder");
  });
});
