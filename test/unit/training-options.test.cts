import { readTrainingOptions } from "../../src/training-options.cjs";
import { expectError } from "./support/rejection.cjs";

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
    expect(readTrainingOptions(options)).toEqual(options);
    expect(readTrainingOptions(undefined)).toEqual({});
    expect(readTrainingOptions({ beta1: 0.5, epsilon: 1e-6 })).toEqual({
      beta1: 0.5,
      epsilon: 1e-6,
    });
    expect(readTrainingOptions({ schedule: "constant", warmupSteps: 3 })).toEqual({
      schedule: "constant",
      warmupSteps: 3,
    });
  });

  it.each<[object, string]>([
    [{ optimizer: "adam" }, 'one of "adamw", "sgd" for options.optimizer'],
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
  ])("are refused where they are %p", async (options, message) => {
    await expectError(() => readTrainingOptions(options), "ERR_INVALID_ARGUMENT", message);
  });
});
