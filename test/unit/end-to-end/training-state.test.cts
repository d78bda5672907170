import { execFile } from "node:child_process";
import { readdir, readFile, truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

import type { BertCnn, BertCnnOptions, TrainingOptions } from "../../../src/index.cjs";
import { fixture, load, temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

// BERT with its usual dropout, and a head with dropout of 0.5.
const name = "tiny-bert";
const options: BertCnnOptions = { labels: ["bad", "good"], variant: "max-over-time", seed: 3 };
const batches = [
  { texts: ["a good movie", "awful", "great"], labels: ["good", "bad", "good"] },
  { texts: ["very bad plot", "like it"], labels: ["bad", "good"] },
];

async function take(model: BertCnn, from: number, count: number): Promise<number[]> {
  const losses = [];
  for (let i = from; i < from + count; i++)
    losses.push((await model.trainStep(batches[i % 2]!)).loss);
  return losses;
}

async function weights(model: BertCnn): Promise<Buffer> {
  const file = path.join(await temporaryFolder(), "weights.safetensors");
  await model.saveStateDict(file);
  return readFile(file);
}

async function trained(training: TrainingOptions, more?: BertCnnOptions) {
  const model = await load(name, { ...options, ...more });
  model.configureTraining(training);
  await take(model, 0, 3);
  const file = path.join(await temporaryFolder(), "run.safetensors");
  await model.saveTrainingState(file);
  return { model, file };
}

const adamw: TrainingOptions = { learningRate: 1e-3 };
const sgd: TrainingOptions = {
  optimizer: "sgd",
  momentum: 0.9,
  learningRate: 0.01,
  headLearningRate: 0.05,
  schedule: "linear",
  totalSteps: 9,
  warmupSteps: 2,
};

describe("a training state", () => {
  it.each<[string, TrainingOptions, BertCnnOptions]>([
    ["AdamW", adamw, {}],
    ["SGD with momentum and a schedule", sgd, {}],
    ["SGD", { optimizer: "sgd" }, {}],
    ["a frozen encoder", adamw, { freeze: "encoder" }],
    ["frozen layers", adamw, { freeze: 1 }],
    ["a feature cache", { ...adamw, featureCache: true }, { freeze: "encoder" }],
    ["accumulated gradients", { ...adamw, gradientAccumulationSteps: 2 }, {}],
    ["another seed than the one it is loaded with", adamw, { seed: 99 }],
  ])("goes on bit for bit, dropout included: %s", async (_, training, more) => {
    const { model, file } = await trained(training, more);
    const losses = await take(model, 3, 3);
    const again = await load(name, options);
    const position = await again.loadTrainingState(file);
    const accumulated = training.gradientAccumulationSteps === 2;
    expect(position).toEqual({
      step: accumulated ? 1 : 3,
      accumulatedBatches: accumulated ? 1 : 0,
    });
    expect(again.config).toEqual(model.config);
    expect(await take(again, 3, 3)).toEqual(losses);
    expect(await weights(again)).toEqual(await weights(model));
    expect((await again.predict("good")).logits).toEqual((await model.predict("good")).logits);
  });

  it("keeps the scale of the learning rates", async () => {
    const { model, file } = await trained({ headLearningRate: 1e-3 });
    await expectError(model.setLearningRateScale(-1), "ERR_INVALID_ARGUMENT", "scale");
    await model.setLearningRateScale(0.5);
    const rates = async (of: BertCnn) => (await of.trainStep(batches[0]!)).learningRates.at(-1);
    expect(await rates(model)).toBe(5e-4);
    await model.saveTrainingState(file);
    const again = await load(name, options);
    await expectError(again.setLearningRateScale(2), "ERR_TRAINING_NOT_CONFIGURED");
    await again.loadTrainingState(file);
    expect(await rates(again)).toBe(5e-4);
    again.configureTraining({ headLearningRate: 1e-3 });
    expect(await rates(again)).toBe(1e-3);
  });

  it("goes on in another process", async () => {
    const { model, file } = await trained(adamw);
    const losses = await take(model, 3, 3);
    const script = `
      const { BertCnn } = require("bertcnn");
      const [directory, options, file, batches] = process.argv.slice(1).map((x) => JSON.parse(x));
      (async () => {
        const model = await BertCnn.fromPretrained(directory, options);
        await model.loadTrainingState(file);
        const losses = [];
        for (let i = 3; i < 6; i++) losses.push((await model.trainStep(batches[i % 2])).loss);
        console.log(JSON.stringify(losses));
        await model.dispose();
      })();`;
    const args = [fixture(name), { ...options, device: "cpu", threads: 1 }, file, batches];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["-e", script, ...args.map((argument) => JSON.stringify(argument))],
      { cwd: path.join(__dirname, "../../..") },
    );
    expect(JSON.parse(stdout)).toEqual(losses);
  });

  it("takes the place of a training that the model had", async () => {
    const { model, file } = await trained(adamw);
    const losses = await take(model, 3, 2);
    const other = await load(name, { ...options, freeze: "embeddings", seed: 8 });
    other.configureTraining(sgd);
    await take(other, 0, 4);
    await other.loadTrainingState(file);
    expect(await take(other, 3, 2)).toEqual(losses);
    // And it can be saved and loaded by the same model, as often as one likes.
    await other.loadTrainingState(file);
    await other.saveTrainingState(file);
    await model.loadTrainingState(file);
    expect(await take(model, 3, 2)).toEqual(losses);
  });

  it("whose weights were kept in a lower precision can be saved and trained further", async () => {
    const { model, file } = await trained(adamw, { dtype: "auto", freeze: 1 });
    const losses = await take(model, 3, 2);
    const again = await load(name, { ...options, dtype: "auto" });
    await again.loadTrainingState(file);
    expect(await take(again, 3, 2)).toEqual(losses);
    expect(await weights(again)).toEqual(await weights(model));
    await again.setFreeze("none");
    await take(again, 5, 1);
  });

  it("needs an optimizer to be saved", async () => {
    const model = await load(name, options);
    const folder = await temporaryFolder();
    await expectError(
      model.saveTrainingState(path.join(folder, "run.safetensors")),
      "ERR_TRAINING_NOT_CONFIGURED",
      "configureTraining",
    );
    await expectError(model.saveTrainingState("run.pt"), "ERR_INVALID_ARGUMENT", ".safetensors");
    await expectError(model.loadTrainingState("run"), "ERR_INVALID_ARGUMENT", ".safetensors");
    expect(await readdir(folder)).toEqual([]);
  });

  it.each<[string, BertCnnOptions, string]>([
    ["numFilters", { numFilters: 7 }, "numFilters 100, but this one has 7"],
    ["labels", { labels: ["good", "bad"] }, "labels"],
    ["variant", { variant: "frozen" }, "variant"],
    ["dropout", { dropout: 0.25 }, "dropout 0.5"],
    ["padding", { padding: "include" }, "padding"],
    ["maxLength", { maxLength: 12 }, "maxLength"],
    ["problemType", { problemType: "multi_label_classification" }, "problemType"],
  ])("is refused by a model of another %s, which stays as it was", async (_, more, message) => {
    const { file } = await trained(adamw);
    const other = await load(name, { ...options, ...more });
    const before = await weights(other);
    await expectError(other.loadTrainingState(file), "ERR_CHECKPOINT_MISMATCH", message);
    expect(await weights(other)).toEqual(before);
    await expectError(other.saveTrainingState(file), "ERR_TRAINING_NOT_CONFIGURED");
  });

  it("that is damaged, or none, is refused, and training goes on as it was", async () => {
    const { model, file } = await trained(adamw);
    const twin = await load(name, options);
    await twin.loadTrainingState(file);
    const whole = await readFile(file);
    const half = path.join(await temporaryFolder(), "half.safetensors");
    await writeFile(half, whole);
    await truncate(half, whole.length / 2);
    await expectError(model.loadTrainingState(half), "ERR_CHECKPOINT_FORMAT", half);
    const other = path.join(await temporaryFolder(), "weights.safetensors");
    await model.saveStateDict(other);
    await expectError(model.loadTrainingState(other), "ERR_CHECKPOINT_FORMAT", other, "training");
    const renamed = whole
      .toString("latin1")
      .replace("optimizer.step.fc.bias", "optimizer.stop.fc.bias");
    await writeFile(half, renamed, "latin1");
    await expectError(
      model.loadTrainingState(half),
      "ERR_CHECKPOINT_FORMAT",
      "optimizer.step.fc.bias",
    );
    await expectError(model.loadTrainingState(`${half}.safetensors`), "ERR_FILE_NOT_FOUND");
    expect(await take(model, 3, 2)).toEqual(await take(twin, 3, 2));
    expect(await weights(model)).toEqual(await weights(twin));
  });

  it("that cannot be written leaves nothing behind", async () => {
    const { model } = await trained(adamw);
    const folder = await temporaryFolder();
    await writeFile(path.join(folder, "file"), "x");
    await expectError(
      model.saveTrainingState(path.join(folder, "file", "run.safetensors")),
      "ERR_IO",
    );
    expect(await readdir(folder)).toEqual(["file"]);
  });

  it("is none of a model that only predicts", async () => {
    const { file } = await trained(adamw);
    const model = await load(name, { ...options, dtype: "int8" });
    await expectError(model.loadTrainingState(file), "ERR_INVALID_ARGUMENT", "int8");
  });
});

describe("a seed", () => {
  const run = async (seed: number, training: TrainingOptions) => {
    const model = await load(name, { ...options, seed });
    model.configureTraining(training);
    const losses = await take(model, 0, 4);
    return { losses, weights: await weights(model) };
  };

  it.each([adamw, sgd])("repeats a run exactly, dropout included: %j", async (training) => {
    const first = await run(11, training);
    expect(await run(11, training)).toEqual(first);
    const other = await run(12, training);
    expect(other.losses).not.toEqual(first.losses);
  });

  it("repeats a run whose layers are thawed on the way", async () => {
    const thawing = async () => {
      const model = await load(name, { ...options, freeze: "encoder" });
      model.configureTraining(adamw);
      const losses = await take(model, 0, 2);
      await model.setFreeze(1);
      losses.push(...(await take(model, 2, 2)));
      await model.setFreeze("none");
      losses.push(...(await take(model, 4, 2)));
      return { losses, weights: await weights(model) };
    };
    expect(await thawing()).toEqual(await thawing());
  });
});
