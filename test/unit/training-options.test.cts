import type { LabelSpace, ProblemType } from "../../src/labels.cjs";
import { readTrainingOptions } from "../../src/training-options.cjs";
import { expectError } from "./support/rejection.cjs";

const space = (problemType: ProblemType): LabelSpace => ({
  problemType,
  labels: ["bad", "fair", "good"],
});
const single = space("single_label_classification");
const multi = space("multi_label_classification");
const scores = space("regression");

describe("the options of training", () => {
  it("are handed on as they are", () => {
    const options = {
      learningRate: 1e-4,
      layerDecay: 0.9,
      optimizer: "sgd",
      momentum: 0.9,
      nesterov: true,
      schedule: "polynomial",
      totalSteps: 10,
      warmupRatio: 0.1,
      power: 2,
    };
    expect(readTrainingOptions(options, single)).toEqual(options);
    expect(readTrainingOptions(undefined, single)).toEqual({});
    expect(readTrainingOptions({ beta1: 0.5, epsilon: 1e-6 }, single)).toEqual({
      beta1: 0.5,
      epsilon: 1e-6,
    });
    expect(readTrainingOptions({ schedule: "constant", warmupSteps: 3 }, single)).toEqual({
      schedule: "constant",
      warmupSteps: 3,
    });
  });

  it.each<[object, string]>([
    [{ optimizer: "adam" }, 'one of "adamw", "sgd", "adafactor" for options.optimizer'],
    [{ optimizer: "adafactor", beta2: 0.9 }, "no options.beta2"],
    [{ optimizer: "adafactor", momentum: 0.9 }, "no options.momentum"],
    [{ focalGamma: 2, labelSmoothing: 0.1 }, "received both"],
    [{ focalGamma: -1 }, "options.focalGamma"],
    [{ optimizer: "sgd", beta1: 0.9 }, 'no options.beta1: it is for options.optimizer "adamw"'],
    [{ optimizer: "sgd", epsilon: 1e-8 }, "no options.epsilon"],
    [{ momentum: 0.9 }, 'no options.momentum: it is for options.optimizer "sgd"'],
    [{ optimizer: "adamw", nesterov: false }, "no options.nesterov"],
    [{ optimizer: "sgd", momentum: 1 }, "options.momentum"],
    [{ optimizer: "sgd", nesterov: true }, "options.momentum above 0"],
    [{ optimizer: "sgd", momentum: 0, nesterov: true }, "options.momentum above 0"],
    [{ optimizer: "sgd", momentum: 0.9, nesterov: 1 }, "boolean for options.nesterov"],
    [{ layerDecay: 1.5 }, "number from 0 to 1 for options.layerDecay"],
    [{ schedule: "step" }, "options.schedule"],
    [
      { schedule: "linear" },
      'options.totalSteps, the optimizer steps of the training, with options.schedule "linear"',
    ],
    [{ schedule: "cosine" }, "options.totalSteps"],
    [{ schedule: "polynomial" }, "options.totalSteps"],
    [{ warmupRatio: 0.1 }, "with options.warmupRatio"],
    [{ totalSteps: 10, warmupRatio: 1.1 }, "number from 0 to 1 for options.warmupRatio"],
    [{ totalSteps: 10, warmupRatio: 0.1, warmupSteps: 1 }, "received both"],
    [{ totalSteps: 10, warmupSteps: 11 }, "to the 10 of options.totalSteps"],
    [{ totalSteps: 0 }, "positive integer for options.totalSteps"],
    [{ warmupSteps: -1 }, "options.warmupSteps"],
    [{ warmupSteps: 1.5 }, "options.warmupSteps"],
    [
      { schedule: "linear", totalSteps: 9, power: 2 },
      'no options.power: it is for options.schedule "polynomial"',
    ],
    [{ schedule: "polynomial", totalSteps: 9, power: -1 }, "options.power"],
    [{ schedule: "polynomial", totalSteps: 9, learningRate: 1e-7 }, "more than 1e-7"],
    [{ gradientAccumulationSteps: 0 }, "positive integer for options.gradientAccumulationSteps"],
    [{ gradientAccumulationSteps: 1.5 }, "options.gradientAccumulationSteps"],
    [{ dtype: "int8" }, 'one of "float32", "bfloat16" for options.dtype'],
    [{ gradientCheckpointing: 1 }, "boolean for options.gradientCheckpointing"],
    [{ featureCache: 1 }, "boolean or object for options.featureCache"],
    [{ featureCache: { memory: -1 } }, "for options.featureCache.memory"],
    [{ featureCache: { dtype: "int8" } }, "for options.featureCache.dtype"],
    [{ featureCache: { directory: "" } }, "non-empty string for options.featureCache.directory"],
    [{ featureCache: { size: 1 } }, "options.featureCache to hold only memory, dtype, directory"],
  ])("are refused where they are %p", async (options, message) => {
    await expectError(() => readTrainingOptions(options, single), "ERR_INVALID_ARGUMENT", message);
  });
});

describe("the feature cache", () => {
  it.each<[unknown, unknown]>([
    [undefined, undefined],
    [false, undefined],
    [true, {}],
    [{}, {}],
    [
      { memory: 0, dtype: "bfloat16", directory: "/tmp" },
      { memory: 0, dtype: "bfloat16", directory: "/tmp" },
    ],
  ])("is read from %p", (featureCache, expected) => {
    expect(readTrainingOptions({ featureCache }, single).featureCache).toEqual(expected);
  });

  it("is refused where pads take part, since there a row's hidden states depend on its batch", async () => {
    await expectError(
      () => readTrainingOptions({ featureCache: true }, single, "include"),
      "ERR_INVALID_ARGUMENT",
      'no options.featureCache: it is for padding "ignore"',
    );
    expect(readTrainingOptions({ featureCache: false }, single, "include")).toEqual({});
  });
});

describe("the weights of labels", () => {
  it.each<[string, object, object]>([
    ["in their order", { classWeights: [1, 0, 2.5] }, { classWeights: [1, 0, 2.5] }],
    ["by name", { classWeights: { good: 3, bad: 1, fair: 2 } }, { classWeights: [1, 2, 3] }],
    [
      "balanced, by counts",
      { classWeights: "balanced", classCounts: [7, 2, 1] },
      { classCounts: [7, 2, 1] },
    ],
    [
      "balanced, by counts by name",
      { classWeights: "balanced", classCounts: { fair: 2, good: 1, bad: 7 } },
      { classCounts: [7, 2, 1] },
    ],
  ])("are taken %s", (_, given, expected) => {
    expect(readTrainingOptions(given, single)).toEqual(expected);
  });

  it("are of targets of 1 where there may be several", () => {
    const options = { posWeight: { bad: 1, fair: 2, good: 3 }, learningRate: 1 };
    expect(readTrainingOptions(options, multi)).toEqual({ posWeight: [1, 2, 3], learningRate: 1 });
  });

  it("are copied", () => {
    const classWeights = [1, 2, 3];
    const read = readTrainingOptions({ classWeights }, single);
    classWeights[0] = -1;
    expect(read.classWeights).toEqual([1, 2, 3]);
  });

  it.each<[LabelSpace, object, string]>([
    [single, { classWeights: [1, 2] }, "array of 3 numbers, one a label, for options.classWeights"],
    [single, { classWeights: [1, -1, 1] }, 'options.classWeights[1] ("fair") but received -1'],
    [single, { classWeights: [1, 1, NaN] }, 'options.classWeights[2] ("good") but received NaN'],
    [single, { classWeights: [1e39, 1, 1] }, "options.classWeights[0]"],
    [single, { classWeights: [1, undefined, 1] }, "options.classWeights[1]"],
    [single, { classWeights: ["1", 1, 1] }, "options.classWeights[0]"],
    [single, { classWeights: [0, 0, 0] }, "all are 0"],
    [single, { classWeights: { bad: 0, fair: 0, good: 0 } }, "all are 0"],
    [
      single,
      { classWeights: { bad: 1, fair: 2 } },
      'options.classWeights["good"] but received undefined',
    ],
    [single, { classWeights: { bad: 1, fair: 2, great: 3, good: 1 } }, 'it holds "great"'],
    [single, { classWeights: "auto" }, "options.classWeights"],
    [single, { classWeights: 2 }, "options.classWeights"],
    [single, { classWeights: "balanced" }, "Expected options.classCounts"],
    [
      single,
      { classCounts: [1, 2, 3] },
      'no options.classCounts: it is for options.classWeights "balanced"',
    ],
    [single, { classWeights: [1, 1, 1], classCounts: [1, 2, 3] }, "no options.classCounts"],
    [
      single,
      { classWeights: "balanced", classCounts: [1, 0, 3] },
      'options.classCounts[1] ("fair") but received 0',
    ],
    [
      single,
      { classWeights: "balanced", classCounts: { bad: 1, fair: 2, good: 0 } },
      '["good"] but received 0',
    ],
    [single, { classWeights: "balanced", classCounts: [1, 0.5, 3] }, "options.classCounts[1]"],
    [single, { labelSmoothing: 1 }, "number from 0 to below 1 for options.labelSmoothing"],
    [single, { labelSmoothing: -0.1 }, "options.labelSmoothing"],
    [
      single,
      { posWeight: [1, 1, 1] },
      'no options.posWeight: it is for problem type "multi_label_classification"',
    ],
    [multi, { posWeight: [1, 1, -1] }, "options.posWeight[2]"],
    [multi, { posWeight: [0, 0, 0] }, "all are 0"],
    [multi, { classWeights: [1, 1, 1] }, "no options.classWeights"],
    [multi, { classWeights: "balanced", classCounts: [1, 1, 1] }, "no options.classWeights"],
    [multi, { labelSmoothing: 0.1 }, 'and the model\'s is "multi_label_classification"'],
    [scores, { classWeights: [1, 1, 1] }, "no options.classWeights"],
    [scores, { focalGamma: 2 }, "no options.focalGamma: it is for classification"],
    [scores, { posWeight: [1, 1, 1] }, "no options.posWeight"],
    [scores, { labelSmoothing: 0.1 }, "no options.labelSmoothing"],
  ])("are refused for %p where they are %p", async (model, options, message) => {
    await expectError(() => readTrainingOptions(options, model), "ERR_INVALID_ARGUMENT", message);
  });
});
