import {
  Tensor,
  type BertCnn,
  type ProblemType,
  type TrainBatch,
  type TrainingOptions,
} from "../../../src/index.cjs";
import { expectClose, load } from "../support/models.cjs";
import { expectError, reasonOf } from "../support/rejection.cjs";

const batch: TrainBatch = {
  texts: ["a good movie", "great", "very bad plot", "awful , awful"],
  labels: ["good", "good", "bad", "bad"],
};
const options = { labels: ["bad", "good"], seed: 3 };

/** The losses of some steps on one batch. */
async function losses(model: BertCnn, steps: number, data = batch): Promise<number[]> {
  const result = [];
  for (let i = 0; i < steps; i++) result.push((await model.trainStep(data)).loss);
  return result;
}

describe("a training step", () => {
  it.each(["frozen", "fine-tune", "max-over-time"] as const)(
    "lowers the loss of %s",
    async (variant) => {
      const model = await load("tiny-bert", { ...options, variant, dropout: 0 });
      model.configureTraining({ learningRate: 1e-3, headLearningRate: 1e-2 });
      const trained = await losses(model, 40);
      expect(trained.at(-1)).toBeLessThan(trained[0]! / 2);
      const best = await model.classify(batch.texts!);
      expect(best.map(([first]) => first?.label)).toEqual(batch.labels);
    },
  );

  it("tells its number, its learning rates and the norm of its gradients", async () => {
    const model = await load("tiny-bert", { ...options, variant: "fine-tune" });
    model.configureTraining({ learningRate: 1e-4, headLearningRate: 1e-3 });
    expect((await model.trainStep(batch)).step).toBe(1);
    const { step, logits, learningRates, gradNorm } = await model.trainStep(batch);
    expect(step).toBe(2);
    expect(logits.dims).toEqual([4, 2]);
    expect([...new Set(learningRates)].sort()).toEqual([1e-4, 1e-3].sort());
    expect(gradNorm).toBeGreaterThan(0);
    expect(model.stats().steps).toBe(2);
  });

  it("follows its schedule", async () => {
    const model = await load("tiny-bert", { ...options, dropout: 0 });
    const schedule = { schedule: "linear", totalSteps: 4, warmupRatio: 0.5 } as const;
    model.configureTraining({ headLearningRate: 0.5, ...schedule });
    const before = await model.predict(batch.texts!);
    expect([...(await model.trainStep(batch)).learningRates]).toEqual([0, 0]);
    expect((await model.predict(batch.texts!)).logits.data).toEqual(before.logits.data);
    for (const rate of [0.25, 0.5, 0.25, 0]) {
      expect([...(await model.trainStep(batch)).learningRates]).toEqual([rate, rate]);
    }
    expect((await model.predict(batch.texts!)).logits.data).not.toEqual(before.logits.data);
  });

  it("lowers the loss by SGD", async () => {
    const model = await load("tiny-bert", { ...options, variant: "fine-tune", dropout: 0 });
    const rates = { learningRate: 1e-2, headLearningRate: 1e-2 };
    model.configureTraining({ ...rates, optimizer: "sgd", momentum: 0.9, nesterov: true });
    const trained = await losses(model, 40);
    expect(trained.at(-1)).toBeLessThan(trained[0]! / 2);
  });

  it("trains the groups that the optimizer lists", async () => {
    const model = await load("tiny-bert", { ...options, variant: "fine-tune" });
    await expectError(model.parameterGroups(), "ERR_TRAINING_NOT_CONFIGURED", "configureTraining");
    model.configureTraining({ learningRate: 1, layerDecay: 0.5, weightDecay: 0.1 });
    const groups = await model.parameterGroups();
    expect(groups.map(({ name, learningRate }) => [name, learningRate])).toEqual([
      ["embeddings", 0.25],
      ["embeddings, no decay", 0.25],
      ["layer 0", 0.5],
      ["layer 0, no decay", 0.5],
      ["layer 1", 1],
      ["layer 1, no decay", 1],
      ["head", 1e-3],
      ["head, no decay", 1e-3],
    ]);
    expect(groups.map(({ weightDecay }) => weightDecay).slice(0, 2)).toEqual([0.1, 0]);
    expect(groups.at(-1)!.parameters).toEqual(["conv.bias", "fc.bias"]);
    expect(groups.at(-1)!.numel).toBe(model.config.bert_cnn.num_filters + 2);
    const { learningRates } = await model.trainStep(batch);
    expect([...learningRates]).toEqual(groups.map(({ learningRate }) => learningRate));
  });

  it("heeds the weights of classes", async () => {
    const lossOf = async (training: TrainingOptions) => {
      const model = await load("tiny-bert", { ...options, dropout: 0 });
      model.configureTraining(training);
      return (await model.trainStep(batch)).loss;
    };
    const plain = await lossOf({});
    const [bad, good] = [
      await lossOf({ classWeights: [1, 0] }),
      await lossOf({ classWeights: [0, 1] }),
    ];
    expectClose([(bad + good) / 2], [plain]);
    expectClose([await lossOf({ classWeights: { good: 3, bad: 1 } })], [(bad + 3 * good) / 4]);
    // of 8 rows of 2 classes: 8 / (2 * 6) and 8 / (2 * 2)
    const balanced = await lossOf({ classWeights: "balanced", classCounts: { bad: 6, good: 2 } });
    expectClose([balanced], [(bad * (2 / 3) + good * 2) / (8 / 3)]);
    expect(await lossOf({ labelSmoothing: 0.5 })).not.toBeCloseTo(plain, 4);
  });

  it("accumulates gradients over calls", async () => {
    const whole = await load("tiny-bert", { ...options, dropout: 0 });
    const halves = await load("tiny-bert", { ...options, dropout: 0 });
    const sgd = { optimizer: "sgd", headLearningRate: 0.1 } as const;
    whole.configureTraining(sgd);
    halves.configureTraining({ ...sgd, gradientAccumulationSteps: 2 });
    const half = (begin: number) => ({
      texts: batch.texts!.slice(begin, begin + 2),
      labels: (batch.labels as string[]).slice(begin, begin + 2),
    });
    const before = await halves.predict(batch.texts!);
    expect(await halves.trainStep(half(0))).toMatchObject({ step: 0, updated: false });
    expect((await halves.predict(batch.texts!)).logits.data).toEqual(before.logits.data);
    // What is refused meanwhile is not accumulated.
    await expectError(halves.trainStep({ ...half(2), labels: [0, 2] }), "ERR_INVALID_LABELS", "2");
    expect(await halves.trainStep(half(2))).toMatchObject({ step: 1, updated: true });
    expect(await whole.trainStep(batch)).toMatchObject({ step: 1, updated: true });
    const after = await halves.predict(batch.texts!);
    expect(after.logits.data).not.toEqual(before.logits.data);
    expectClose(after.logits.data, (await whole.predict(batch.texts!)).logits.data);
  });

  it("takes a batch of one row", async () => {
    const model = await load("tiny-bert", { ...options, variant: "max-over-time" });
    model.configureTraining();
    const { logits, loss } = await model.trainStep({ texts: [""], labels: ["bad"] });
    expect(logits.dims).toEqual([1, 2]);
    expect(loss).toBeGreaterThan(0);
  });

  it("is repeated exactly by a seed, dropout included, and not by another", async () => {
    const run = async (seed: number) => {
      const model = await load("tiny-bert", { ...options, variant: "max-over-time", seed });
      model.configureTraining();
      return losses(model, 4);
    };
    const first = await run(11);
    expect(await run(11)).toEqual(first);
    expect(await run(12)).not.toEqual(first);
  });

  it("leaves a frozen encoder as it was", async () => {
    const model = await load("tiny-bert", { ...options, dropout: 0 });
    model.configureTraining({ learningRate: 1, headLearningRate: 0, weightDecay: 0 });
    const before = await model.predict(batch.texts!);
    await losses(model, 3);
    expect((await model.predict(batch.texts!)).logits.data).toEqual(before.logits.data);
  });

  it("takes tokens, padded, as it takes texts", async () => {
    const [a, b] = await Promise.all([load("tiny-bert", options), load("tiny-bert", options)]);
    a.configureTraining();
    b.configureTraining();
    const one = await a.trainStep({ texts: ["!", "? ?"], labels: [0, 1] });
    const inputIds = new Tensor("int32", Int32Array.of(2, 7, 3, 0, 2, 8, 8, 3), [2, 4]);
    const attentionMask = new Tensor("int32", Int32Array.of(1, 1, 1, 0, 1, 1, 1, 1), [2, 4]);
    const other = await b.trainStep({ tokens: { inputIds, attentionMask }, labels: [0, 1] });
    expectClose([other.loss], [one.loss]);
  });

  it("trains several labels and scores", async () => {
    const multi = await load("tiny-bert", {
      problemType: "multi_label_classification",
      numLabels: 3,
      dropout: 0,
      seed: 1,
    });
    multi.configureTraining({ headLearningRate: 1e-2 });
    const several = {
      texts: ["good", "bad"],
      labels: [
        [1, 0, 1],
        [0, 1, 0],
      ],
    };
    const multiLosses = await losses(multi, 30, several);
    expect(multiLosses.at(-1)).toBeLessThan(multiLosses[0]! / 2);

    const score = await load("tiny-bert", {
      problemType: "regression",
      numLabels: 1,
      dropout: 0,
      seed: 1,
    });
    score.configureTraining({ headLearningRate: 1e-2 });
    const scoreLosses = await losses(score, 60, { texts: ["good", "bad"], labels: [2, -3] });
    expect(scoreLosses.at(-1)).toBeLessThan(scoreLosses[0]! / 2);
  });

  it("is a barrier: predictions asked for before it see the old weights, later ones the new", async () => {
    const model = await load("tiny-bert", { ...options, dropout: 0 });
    model.configureTraining({ headLearningRate: 0.1 });
    const old = (await model.predict("a good movie")).logits.data;
    const before = model.predict("a good movie");
    const step = model.trainStep(batch);
    const after = model.predict("a good movie");
    expect((await before).logits.data).toEqual(old);
    await step;
    expect((await after).logits.data).not.toEqual(old);
  });

  it("needs an optimizer", async () => {
    const model = await load("tiny-bert", options);
    await expectError(model.trainStep(batch), "ERR_TRAINING_NOT_CONFIGURED", "configureTraining");
  });

  it("that is dropped while it waits changes nothing", async () => {
    const model = await load("tiny-bert", { ...options, dropout: 0 });
    model.configureTraining({ headLearningRate: 0.1 });
    const first = model.trainStep(batch);
    const controller = new AbortController();
    const dropped = model.trainStep(batch, { signal: controller.signal });
    controller.abort("enough");
    expect(await reasonOf(dropped)).toBe("enough");
    await first;
    expect((await model.trainStep(batch)).step).toBe(2);
  });

  it("whose loss is no number any more is refused", async () => {
    const model = await load("tiny-bert", { ...options, dropout: 0 });
    model.configureTraining({ headLearningRate: 1e6, maxGradNorm: 0 });
    const diverge = async () => {
      for (;;) await model.trainStep(batch);
    };
    await expectError(diverge(), "ERR_NON_FINITE", "the step was not taken");
  });

  it("that is refused changes nothing", async () => {
    const model = await load("tiny-bert", { ...options, dropout: 0 });
    model.configureTraining();
    const before = await model.predict("a good movie");
    const inputIds = new Tensor("int32", Int32Array.of(2, 5000, 3), [1, 3]);
    await expectError(
      model.trainStep({ tokens: { inputIds }, labels: [0] }),
      "ERR_INVALID_INPUT",
      "5000",
    );
    await expectError(
      model.trainStep({ ...batch, labels: [0, 1, 2, 0] }),
      "ERR_INVALID_LABELS",
      "labels[2]",
    );
    expect((await model.predict("a good movie")).logits.data).toEqual(before.logits.data);
    expect((await model.trainStep(batch)).step).toBe(1);
  });

  it.each<[string, ProblemType, unknown, string[]]>([
    ["a class out of range", "single_label_classification", [0, 2], ["labels[1]", "from 0 to 1"]],
    ["an unknown label", "single_label_classification", ["bad", "fair"], ["labels[1]", '"good"']],
    ["too few labels", "single_label_classification", [0], ["2 entries", "2 rows"]],
    [
      "a target above 1",
      "multi_label_classification",
      [
        [0, 1],
        [0, 2],
      ],
      ["labels[1][1]"],
    ],
    [
      "a target that is NaN",
      "multi_label_classification",
      [
        [NaN, 1],
        [0, 0],
      ],
      ["labels[0][0]"],
    ],
    ["a row too short", "multi_label_classification", [[0, 1], [0]], ["2 numbers", "labels[1]"]],
    ["a score that is NaN", "regression", Float32Array.of(0, 1, NaN, 0), ["row 1, label 0"]],
    [
      "a score that is infinite",
      "regression",
      [
        [0, Infinity],
        [0, 0],
      ],
      ["labels[0][1]"],
    ],
  ])("is refused for %s of %s", async (_, problemType, labels, parts) => {
    const model = await load("tiny-bert", { ...options, problemType, dropout: 0 });
    model.configureTraining();
    const before = await model.predict("a good movie");
    const texts = batch.texts!.slice(0, 2);
    const refused = model.trainStep({ texts, labels: labels as TrainBatch["labels"] });
    await expectError(refused, "ERR_INVALID_LABELS", ...parts);
    expect((await model.predict("a good movie")).logits.data).toEqual(before.logits.data);
    const good =
      problemType === "single_label_classification"
        ? [0, 1]
        : [
            [0, 1],
            [1, 0],
          ];
    expect((await model.trainStep({ texts, labels: good })).step).toBe(1);
  });
});
