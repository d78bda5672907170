import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";

import {
  BertCnn,
  Dataset,
  Tokenizer,
  readMetricsLog,
  type FitOptions,
  type StepRecord,
} from "../../../src/index.cjs";
import { fixture, load, temporaryFolder, texts } from "../support/models.cjs";
import { expectError, reasonOf } from "../support/rejection.cjs";

const LABELS = ["bad", "good"];

/** Rows of which a third is good, by a word that is in these only. */
function rows(count: number) {
  return texts(count).map((text, row) => {
    const good = row % 3 === 0;
    return { text: `${good ? "great" : "awful"} ${text}`, label: good ? "good" : "bad" };
  });
}

const train = Dataset.from(rows(48));
const evalDataset = Dataset.from(rows(18));
/** What training makes worse. */
const contrary = Dataset.from(
  rows(18).map(({ text, label }) => ({ text, label: label === "good" ? "bad" : "good" })),
);
const quiet = { progress: false, seed: 3 } as const;
const quietly = { progress: false } as const;
const quick = { ...quiet, epochs: 2, batchSize: 8, headLearningRate: 1e-2 } as const;

const classifier = () => load("tiny-bert", { labels: LABELS, seed: 5 });

async function weights(model: BertCnn): Promise<Buffer> {
  const file = path.join(await temporaryFolder(), "weights.safetensors");
  await model.saveStateDict(file);
  return readFile(file);
}

describe("fit", () => {
  it("takes the steps of its epochs and tells of each", async () => {
    const model = await classifier();
    const steps: StepRecord[] = [];
    const result = await model.fit(train, { ...quick, onStep: (step) => steps.push(step) });
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(steps.map(({ epoch }) => epoch)).toEqual(steps.map(({ step }) => step / 6));
    expect(result).toMatchObject({ step: 12, epoch: 2, stopped: "completed", skippedSteps: 0 });
    expect(result).toMatchObject({ best: null, evaluation: null, checkpoint: null });
  });

  it("learns", async () => {
    const model = await load("tiny-bert", { labels: LABELS, seed: 5, dropout: 0 });
    const before = await model.evaluate(evalDataset, quietly);
    const { evaluation } = await model.fit(train, { ...quick, epochs: 8, evalDataset });
    expect(evaluation!.metrics.loss).toBeLessThan(before.metrics.loss / 2);
  });

  it("repeats itself for the same seeds", async () => {
    const [one, other] = [await classifier(), await classifier()];
    await one.fit(train, quick);
    await other.fit(train, quick);
    expect(await weights(one)).toEqual(await weights(other));
    const third = await classifier();
    await third.fit(train, { ...quick, seed: 4 });
    expect(await weights(third)).not.toEqual(await weights(one));
  });

  it("evaluates, and keeps the best weights", async () => {
    const model = await classifier();
    const values: number[] = [];
    const { best, evaluation } = await model.fit(train, {
      ...quick,
      evalDataset: contrary,
      evalSteps: 2,
      onEvaluate: ({ metrics }) => values.push(metrics["loss"]!),
    });
    expect(values).toHaveLength(6);
    const place = values.indexOf(Math.min(...values));
    expect(best).toEqual({ step: 2 * (place + 1), metric: "loss", value: values[place] });
    expect(place).toBeLessThan(5);
    expect(evaluation!.metrics.loss).toBeCloseTo(values[place]!, 6);
    expect((await model.evaluate(contrary, quietly)).metrics).toEqual(evaluation!.metrics);
  });

  it("keeps the last weights where it is told to", async () => {
    const model = await classifier();
    const values: number[] = [];
    const { evaluation } = await model.fit(train, {
      ...quick,
      evalDataset: contrary,
      evalSteps: 2,
      loadBestModelAtEnd: false,
      onEvaluate: ({ metrics }) => values.push(metrics["loss"]!),
    });
    expect(evaluation!.metrics.loss).toBeCloseTo(values.at(-1)!, 6);
  });

  it("stops when it gets no better", async () => {
    const model = await classifier();
    const result = await model.fit(train, {
      ...quick,
      epochs: 20,
      evalDataset,
      evalSteps: 1,
      earlyStopping: { patience: 2, minDelta: 1e9 },
    });
    // The first is the best, since none is so much better.
    expect(result).toMatchObject({ step: 3, stopped: "early stopping" });
  });

  it("lowers the learning rates on a plateau, and goes on with them", async () => {
    const outputDir = path.join(await temporaryFolder(), "run");
    const options = {
      ...quick,
      epochs: 4,
      evalDataset,
      outputDir,
      // None is so much better than the first.
      reduceOnPlateau: { factor: 0.5, patience: 0, threshold: 1e9, minScale: 0.25 },
    };
    const ratesOf = async (model: BertCnn, more: FitOptions) => {
      const rates: number[] = [];
      const onStep = ({ epoch, learningRates }: StepRecord) => {
        if (Number.isInteger(epoch)) rates.push(learningRates.at(-1)!);
      };
      await model.fit(train, { ...options, ...more, onStep });
      return rates;
    };
    expect(await ratesOf(await classifier(), {})).toEqual([1e-2, 1e-2, 5e-3, 2.5e-3]);
    const resumeFromCheckpoint = path.join(outputDir, "checkpoint-18");
    expect(await ratesOf(await classifier(), { resumeFromCheckpoint })).toEqual([2.5e-3]);
  });

  it("stops after maxSteps and evaluates once more", async () => {
    const model = await classifier();
    const evaluated: number[] = [];
    const options = { ...quiet, batchSize: 8, evalDataset };
    const result = await model.fit(train, {
      ...options,
      maxSteps: 9,
      onEvaluate: ({ step }) => evaluated.push(step),
    });
    expect(result).toMatchObject({ step: 9, epoch: 1.5, stopped: "max steps" });
    expect(evaluated).toEqual([6, 9]);
  });

  it("takes batches by tokens, and knows how many there will be", async () => {
    const model = await classifier();
    const tokenizer = await Tokenizer.fromPretrained(fixture("tiny-bert"));
    const tokens = async (batch: readonly string[]) =>
      (await tokenizer.encodeBatch(batch)).map(({ ids }) => ids.length);
    const sizes: number[] = [];
    jest.spyOn(model, "trainStep").mockImplementation(function (this: BertCnn, batch, options) {
      sizes.push(batch.texts!.length);
      return BertCnn.prototype.trainStep.call(model, batch, options);
    });
    const steps: StepRecord[] = [];
    const options = { schedule: "linear", onStep: (step: StepRecord) => steps.push(step) } as const;
    await model.fit(train, { ...quiet, ...options, epochs: 2, maxTokens: 90, tokenizer });
    const expected: number[] = [];
    for (const epoch of [0, 1]) {
      const order = { shuffle: true, seed: quiet.seed, epoch };
      for await (const batch of train.batches({ ...order, maxTokens: 90, countTokens: tokens })) {
        expected.push(batch.texts.length);
        const counts = await tokens(batch.texts);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(90);
      }
    }
    expect(sizes).toEqual(expected);
    expect(new Set(sizes).size).toBeGreaterThan(1);
    // The schedule comes to zero with the last step: the one before has what one step loses.
    const first = steps[0]!.learningRates[0]!;
    expect(steps.at(-1)!.learningRates[0]).toBeCloseTo(first / sizes.length, 10);
  });

  it("refuses a metric that there is none of before it trains", async () => {
    const model = await classifier();
    const onStep = jest.fn();
    const options = { ...quick, evalDataset, metricForBestModel: "pearson", onStep };
    const parts = ["loss, accuracy, ", "metricForBestModel but received 'pearson'"];
    await expectError(model.fit(train, options), "ERR_INVALID_ARGUMENT", ...parts);
    expect(onStep).not.toHaveBeenCalled();
  });

  it("takes no evaluation for the best one that has no such metric", async () => {
    const model = await load("tiny-bert", { labels: ["score"], problemType: "regression" });
    const scored = Dataset.from(texts(16).map((text, row) => ({ text, label: row / 8 })));
    const constant = Dataset.from(texts(4).map((text) => ({ text, label: 1 })));
    const options = { evalDataset: constant, metricForBestModel: "pearson" };
    const { best, evaluation } = await model.fit(scored, { ...quick, ...options });
    expect(best).toBeNull();
    expect(evaluation!.metrics).toMatchObject({ pearson: null });
  });

  it("makes one step of several batches", async () => {
    const model = await classifier();
    const steps: StepRecord[] = [];
    const options = { ...quick, gradientAccumulationSteps: 4 };
    await model.fit(train, { ...options, onStep: (step) => steps.push(step) });
    expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(steps.map(({ epoch }) => epoch * 48)).toEqual([32, 64, 96]);
  });

  it("unfreezes by epoch, and logs the rates of all groups", async () => {
    const model = await load("tiny-bert", { labels: LABELS, variant: "fine-tune", seed: 5 });
    const steps: StepRecord[] = [];
    await model.fit(train, {
      ...quick,
      layerDecay: 0.5,
      freezeByEpoch: ["encoder", 1],
      onStep: (step) => steps.push(step),
    });
    expect(model.config.bert_cnn.freeze).toBe(1);
    const rates = (step: StepRecord) => step.learningRates.map((rate) => !Number.isNaN(rate));
    expect(rates(steps[0]!)).toEqual([false, false, true, true]);
    expect(rates(steps.at(-1)!)).toEqual([true, true, true, true]);
  });

  it("weighs classes by their counts", async () => {
    const [balanced, given] = [await classifier(), await classifier()];
    await balanced.fit(train, { ...quick, classWeights: "balanced" });
    await given.fit(train, { ...quick, classWeights: { bad: 48 / (2 * 32), good: 48 / (2 * 16) } });
    expect(await weights(balanced)).toEqual(await weights(given));
  });

  it("writes a model, logs and a report", async () => {
    const model = await classifier();
    const outputDir = await temporaryFolder();
    const result = await model.fit(train, { ...quick, evalDataset, outputDir });
    expect(result.checkpoint).toBe(path.join(outputDir, "checkpoint-12"));
    const again = await BertCnn.fromPretrained(outputDir, { device: "cpu", threads: 1 });
    const { logits } = await again.evaluate(evalDataset, quietly);
    await again.dispose();
    expect(logits.data).toEqual(result.evaluation!.logits.data);
    const { steps, evaluations } = await readMetricsLog(path.join(outputDir, "metrics.jsonl"));
    expect(steps).toHaveLength(12);
    expect(evaluations.map(({ step }) => step)).toEqual([6, 12]);
    expect(await readFile(path.join(outputDir, "report.html"), "utf8")).toContain("</html>");
    expect(await readdir(path.join(outputDir, "tensorboard"))).toHaveLength(1);
  });

  it("keeps no more checkpoints than it is told to", async () => {
    const model = await classifier();
    const outputDir = await temporaryFolder();
    const written: string[] = [];
    await model.fit(train, {
      ...quick,
      evalDataset,
      evalSteps: 2,
      outputDir,
      saveSteps: 3,
      saveTotalLimit: 2,
      onCheckpoint: (directory) => written.push(path.basename(directory)),
    });
    expect(written).toEqual(["checkpoint-3", "checkpoint-6", "checkpoint-9", "checkpoint-12"]);
    const left = (await readdir(outputDir)).filter((name) => name.startsWith("checkpoint"));
    expect(left.sort()).toEqual(["checkpoint-12", "checkpoint-9"]);
    expect((await readdir(outputDir)).filter((name) => name.startsWith("."))).toEqual([]);
  });
});

describe("a run that goes on", () => {
  const options = {
    ...quick,
    evalDataset,
    evalSteps: 4,
    saveSteps: 5,
    gradientAccumulationSteps: 1,
    schedule: "linear",
    report: false,
  } as const satisfies FitOptions;

  /** Lets a run end at the first call of a callback after `step`. */
  async function interrupted(outputDir: string, step: number) {
    const model = await classifier();
    const controller = new AbortController();
    const reason = new Error("enough");
    const fitting = model.fit(train, {
      ...options,
      outputDir,
      signal: controller.signal,
      onStep: (record) => {
        if (record.step === step) controller.abort(reason);
      },
    });
    expect(await reasonOf(fitting)).toBe(reason);
  }

  it.each([1, 4, 5, 6, 11])(
    "after an abort at step %p ends as one that was not aborted",
    async (step) => {
      const [whole, part] = [await temporaryFolder(), await temporaryFolder()];
      const model = await classifier();
      await model.fit(train, { ...options, outputDir: whole });
      await interrupted(part, step);
      expect(existsSync(path.join(part, "model.safetensors"))).toBe(false);
      const resumed = await classifier();
      await resumed.fit(train, { ...options, outputDir: part, resumeFromCheckpoint: true });
      expect(await weights(resumed)).toEqual(await weights(model));
      const log = async (folder: string) => {
        const { steps, evaluations } = await readMetricsLog(path.join(folder, "metrics.jsonl"));
        return [...steps, ...evaluations].map((record) => ({ ...record, seconds: 0 }));
      };
      expect(await log(part)).toEqual(await log(whole));
    },
  );

  it("logs an evaluation once that came after a checkpoint of the same step", async () => {
    const outputDir = await temporaryFolder();
    const settings = { ...quick, evalDataset, saveSteps: 6, outputDir, report: false };
    await (await classifier()).fit(train, settings);
    const named = path.join(outputDir, "checkpoint-6");
    await (await classifier()).fit(train, { ...settings, resumeFromCheckpoint: named });
    const { evaluations } = await readMetricsLog(path.join(outputDir, "metrics.jsonl"));
    expect(evaluations.map(({ step }) => step)).toEqual([6, 12]);
  });

  it("goes on from the checkpoint that is named, and forgets later ones", async () => {
    const outputDir = await temporaryFolder();
    await (await classifier()).fit(train, { ...options, outputDir });
    const model = await classifier();
    const first: number[] = [];
    await model.fit(train, {
      ...options,
      outputDir,
      resumeFromCheckpoint: path.join(outputDir, "checkpoint-5"),
      onStep: ({ step }) => first.push(step),
    });
    expect(first).toEqual([6, 7, 8, 9, 10, 11, 12]);
  });

  it("begins where there is nothing to go on from", async () => {
    const outputDir = await temporaryFolder();
    const model = await classifier();
    const result = await model.fit(train, { ...options, outputDir, resumeFromCheckpoint: true });
    expect(result.step).toBe(12);
  });

  it("refuses what has changed, by name", async () => {
    const outputDir = await temporaryFolder();
    await interrupted(outputDir, 6);
    const model = await classifier();
    const refused = async (data: Dataset, changed: FitOptions, ...parts: string[]) => {
      const again = { ...options, outputDir, resumeFromCheckpoint: true, ...changed };
      await expectError(model.fit(data, again), "ERR_CHECKPOINT_MISMATCH", ...parts);
    };
    await refused(train, { batchSize: 4 }, "options.batchSize", "8", "4");
    await refused(train, { seed: 9 }, "options.seed");
    await refused(train, { schedule: "constant" }, "options.schedule");
    await refused(train, { weightDecay: 0.5 }, "options.weightDecay", "absent");
    await refused(Dataset.from(rows(47)), {}, "data.train");
    await refused(train, { evalDataset: Dataset.from(rows(17)) }, "data.evalDataset");
    const other = await load("tiny-bert", { labels: ["good", "bad"], seed: 5 });
    const going = other.fit(train, { ...options, outputDir, resumeFromCheckpoint: true });
    await expectError(going, "ERR_CHECKPOINT_MISMATCH", "labels");
  });

  it("is not begun over checkpoints of another", async () => {
    const outputDir = await temporaryFolder();
    await interrupted(outputDir, 6);
    const anew = (await classifier()).fit(train, { ...options, outputDir });
    await expectError(anew, "ERR_INVALID_ARGUMENT", "resumeFromCheckpoint", outputDir);
  });
});
