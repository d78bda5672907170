import { Dataset } from "../../../src/index.cjs";
import { readFitOptions } from "../../../src/fit/options.cjs";
import { expectError } from "../support/rejection.cjs";

const evalDataset = Dataset.from([{ text: "a", label: "b" }]);

describe("options of fit", () => {
  it("have defaults", () => {
    expect(readFitOptions(undefined)).toMatchObject({
      epochs: 3,
      batchSize: 32,
      shuffle: true,
      seed: 0,
      saveSteps: "no",
      loadBestModelAtEnd: false,
      report: false,
      training: {},
    });
    expect(readFitOptions({ maxSteps: 5 }).epochs).toBe(Infinity);
    expect(readFitOptions({ evalDataset, outputDir: "x", earlyStopping: {} })).toMatchObject({
      evalSteps: "epoch",
      metricForBestModel: "loss",
      loadBestModelAtEnd: true,
      saveSteps: "epoch",
      report: true,
      earlyStopping: { patience: 3, minDelta: 0 },
    });
  });

  it("hold those of training", () => {
    const { training } = readFitOptions({ learningRate: 1e-4, schedule: "linear", epochs: 1 });
    expect(training).toEqual({ learningRate: 1e-4, schedule: "linear" });
  });

  it.each<[object, string]>([
    [{ epoch: 3 }, "epoch"],
    [{ totalSteps: 3 }, "totalSteps"],
    [{ epochs: 0 }, "options.epochs"],
    [{ evalDataset: [] }, "Dataset"],
    [{ tokenizer: {}, maxTokens: 8 }, "Tokenizer"],
    [{ evalSteps: 5 }, "options.evalDataset with options.evalSteps"],
    [{ evalSteps: "never", evalDataset }, '"epoch" or a number of steps'],
    [{ saveSteps: 5 }, "options.outputDir with options.saveSteps"],
    [{ saveSteps: "never", outputDir: "x" }, '"epoch" or a number of steps'],
    [{ resumeFromCheckpoint: 3, outputDir: "x" }, "options.resumeFromCheckpoint"],
    [{ maxTokens: 100 }, "options.tokenizer with options.maxTokens"],
    [{ freezeByEpoch: [] }, "at least one epoch"],
    [{ earlyStopping: { patience: 0 }, evalDataset }, "options.earlyStopping.patience"],
    [{ earlyStopping: null, evalDataset }, "options.earlyStopping"],
    [{ onStep: 1 }, "options.onStep"],
  ])("%j is refused by name", (options, part) =>
    expectError(() => readFitOptions(options), "ERR_INVALID_ARGUMENT", part),
  );
});
