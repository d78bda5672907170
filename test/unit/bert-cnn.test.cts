import { getEventListeners } from "node:events";
import path from "node:path";

import {
  BertCnn,
  BertCnnError,
  Tensor,
  type BertCnnOptions,
  type Calibration,
  type Freeze,
} from "../../src/index.cjs";
import { evaluateBatch } from "../../src/bert-cnn.cjs";
import { replaceNativeModule } from "../../src/native-module.cjs";
import type { NativeModel } from "../../src/native.cjs";
import {
  deferred,
  FakeNative,
  nativeError,
  prediction,
  stepResult,
} from "./support/fake-native.cjs";
import { errorOf, expectError, reasonOf } from "./support/rejection.cjs";

// Any directory does: the fake reads nothing.
const directory = __dirname;
let native: FakeNative;

const load = (options?: BertCnnOptions) => BertCnn.fromPretrained(directory, options);
/** Lets every promise that can go on do so. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  native = new FakeNative();
  replaceNativeModule(native);
});

afterEach(() => {
  replaceNativeModule(undefined);
});

describe("fromPretrained", () => {
  it("hands options and the absolute directory to the addon", async () => {
    const relative = path.relative(process.cwd(), directory);
    await BertCnn.fromPretrained(relative, {
      variant: "fine-tune",
      filterSizes: [3],
      seed: 0,
      device: "cuda:1",
      threads: { workers: 2 },
    });
    expect(native.loadOptions).toEqual({
      directory,
      threads: { workers: 2, perWorker: 1, adaptive: false },
      variant: "fine-tune",
      filterSizes: [3],
      seed: 0,
      device: "cuda:1",
    });
  });

  it("lets the load choose the threads where none are named", async () => {
    await load({ threads: undefined });
    expect(native.loadOptions?.threads).toMatchObject({ perWorker: 1, adaptive: true });
  });

  it("shows the model's facts, frozen", async () => {
    const model = await load();
    expect(model).toMatchObject({
      config: { hidden_size: 16, bert_cnn: { variant: "frozen" } },
      labels: ["bad", "fair", "good"],
      problemType: "single_label_classification",
      device: "cpu",
      dtype: "float32",
      maxLength: 40,
      parameterCount: 1234,
      loadReport: { missing: [], unexpected: [], initialized: ["fc.weight"], packSeconds: 0.25 },
    });
    expect(Object.isFrozen(model.config.bert_cnn)).toBe(true);
    expect(Object.isFrozen(model.labels)).toBe(true);
  });

  it.each<[string, unknown, string]>([
    ["an unknown option", { varient: "frozen" }, "'varient'"],
    ["an unknown variant", { variant: "thawed" }, "options.variant"],
    ["an unknown problem type", { problemType: "ranking" }, "options.problemType"],
    ["a label that occurs twice", { labels: ["a", "b", "a"] }, '"a" twice'],
    ["no labels", { labels: [] }, "at least one label"],
    ["a label without a name", { labels: ["a", ""] }, "options.labels[1]"],
    ["two numbers of labels", { labels: ["a", "b"], numLabels: 3 }, "options.numLabels"],
    ["no kernel sizes", { filterSizes: [] }, "at least one kernel size"],
    ["a kernel size of 0", { filterSizes: [3, 0] }, "options.filterSizes[1]"],
    ["a dropout of 1", { dropout: 1 }, "options.dropout"],
    ["an unknown part to freeze", { freeze: "head" }, "options.freeze but received 'head'"],
    ["a fraction of a layer", { freeze: 1.5 }, "options.freeze"],
    ["less than no layers", { freeze: -1 }, "options.freeze"],
    ["no patterns to freeze", { freeze: [] }, "at least one pattern for options.freeze"],
    ["a pattern that is no string", { freeze: ["bert.*", 3] }, "options.freeze[1]"],
    ["a device that cannot be", { device: "cuda:x" }, "options.device"],
    ["a seed below 0", { seed: -1 }, "options.seed"],
    ["a fraction of a thread", { threads: 0.5 }, "options.threads"],
    ["a delay below 0", { maxQueueDelay: -1 }, "options.maxQueueDelay"],
    ["an age beyond what a timer holds", { maxPriorityAge: 2 ** 31 }, "options.maxPriorityAge"],
    ["counters for no function", { onStats: "console" }, "function for options.onStats"],
    ["reports without pause", { statsInterval: 0 }, "options.statsInterval"],
    ["something else as signal", { signal: {} }, "Expected AbortSignal for options.signal"],
    ["null", null, "Expected object for options but received null"],
  ])("refuses %s", async (_, options, message) => {
    await expectError(load(options as BertCnnOptions), "ERR_INVALID_ARGUMENT", message);
    expect(native.loadOptions).toBeUndefined();
  });

  it("refuses a source that is no string", async () => {
    await expectError(BertCnn.fromPretrained(3 as never), "ERR_INVALID_ARGUMENT", "source");
    await expectError(BertCnn.fromPretrained("a\0b"), "ERR_INVALID_ARGUMENT", "null characters");
  });

  it("says that a directory is expected where there is none", async () => {
    await expectError(
      BertCnn.fromPretrained("./bert-base-uncased"),
      "ERR_FILE_NOT_FOUND",
      "Expected a directory",
      path.resolve("bert-base-uncased"),
      "ENOENT",
    );
    await expectError(BertCnn.fromPretrained(__filename), "ERR_FILE_NOT_FOUND", "is a file");
  });

  it("gives the addon's error its class", async () => {
    native.loadModel = () => ({
      model: Promise.reject(nativeError("ERR_CHECKPOINT_MISMATCH", "names are missing")),
      cancel: () => undefined,
    });
    const error = await errorOf(load());
    expect(error).toMatchObject({ code: "ERR_CHECKPOINT_MISMATCH", message: "names are missing" });
  });

  it("is not begun with a signal that is aborted", async () => {
    expect(await reasonOf(load({ signal: AbortSignal.abort("no") }))).toBe("no");
    expect(native.loadOptions).toBeUndefined();
  });

  it("is cancelled by the signal, once", async () => {
    const { promise, resolve } = deferred<NativeModel>();
    native.loading = promise;
    const controller = new AbortController();
    const loading = load({ signal: controller.signal });
    while (native.loadOptions === undefined) await turn();
    expect(native.loadsCancelled).toBe(0);
    controller.abort("enough");
    expect(await reasonOf(loading)).toBe("enough");
    resolve(native.model());
    await turn();
    expect(native.loadsCancelled).toBe(1);
  });

  it("says nothing of a load that failed after the signal", async () => {
    const { promise, reject } = deferred<NativeModel>();
    native.loading = promise;
    const controller = new AbortController();
    const loading = load({ signal: controller.signal });
    while (native.loadOptions === undefined) await turn();
    controller.abort("enough");
    expect(await reasonOf(loading)).toBe("enough");
    reject(nativeError("ERR_DISPOSED", "gone")); // an unhandled rejection would fail the run
    await turn();
    expect(native.loadsCancelled).toBe(1);
  });
});

describe("predict", () => {
  it("gives tensors over arrays of its own", async () => {
    const model = await load();
    const call = model.predict(["a", "b"], { priority: 2 });
    const { args, result } = native.last("predict");
    expect(args).toEqual([1, ["a", "b"], { priority: 2 }]);
    const given = { ...prediction(2), truncated: Uint8Array.of(0, 1) };
    result.resolve(given);
    const { logits, probabilities, truncated } = await call;
    expect(logits).toBeInstanceOf(Tensor);
    expect(logits).toMatchObject({ type: "float32", dims: [2, 3], data: given.logits });
    expect(logits.data).not.toBe(given.logits);
    expect(probabilities).toMatchObject({ dims: [2, 3], data: given.probabilities });
    expect(truncated).toEqual(Uint8Array.of(0, 1));
  });

  it("wakes the engine once for all calls of a turn", async () => {
    const model = await load();
    const calls = ["a", "b", "c"].map((text) => model.predict(text));
    expect(native.flushes).toBe(0);
    await turn();
    expect(native.flushes).toBe(1);
    for (const { result } of native.calls) result.resolve(prediction(1));
    await Promise.all(calls);
    void model.predict("later");
    await turn();
    expect(native.flushes).toBe(2);
  });

  it("has no probabilities where the addon gives none", async () => {
    const model = await load();
    const call = model.predict("a");
    native.last("predict").result.resolve({ ...prediction(1), probabilities: null });
    expect((await call).probabilities).toBeNull();
  });

  it("of no rows is empty", async () => {
    const model = await load();
    const empty = await model.predict([]);
    expect(empty.logits.dims).toEqual([0, 3]);
    expect(empty.probabilities?.dims).toEqual([0, 3]);
    expect(empty.truncated).toHaveLength(0);
    const inputIds = new Tensor("int32", new Int32Array(0), [0, 5]);
    expect((await model.predict({ inputIds })).logits.dims).toEqual([0, 3]);
    expect(native.count("predict")).toBe(0);
  });

  it("of no rows has no probabilities for a regression", async () => {
    native.info = { ...native.info, problemType: "regression" };
    expect((await (await load()).predict([])).probabilities).toBeNull();
  });

  it.each<[string, unknown, unknown, string]>([
    ["a text that is none", ["a", 3], undefined, "input[1]"],
    ["nothing", undefined, undefined, "for input"],
    ["an unknown option", "a", { prioritty: 1 }, "'prioritty'"],
    ["a timeout of 0", "a", { timeout: 0 }, "options.timeout"],
    ["a timeout beyond what a timer holds", "a", { timeout: 2 ** 31 }, "options.timeout"],
    ["half a priority", "a", { priority: 0.5 }, "options.priority"],
  ])("rejects for %s, without a call of the addon", async (_, input, options, message) => {
    const model = await load();
    await expectError(
      model.predict(input as string, options as object),
      "ERR_INVALID_ARGUMENT",
      message,
    );
    expect(native.count("predict")).toBe(0);
  });

  it("rejects at once with a signal that is aborted, without a call of the addon", async () => {
    const model = await load();
    const reason = new Error("no");
    expect(await reasonOf(model.predict("a", { signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(native.count("predict")).toBe(0);
  });

  it("rejects with the signal's reason at once and cancels its own call only", async () => {
    const model = await load();
    const controller = new AbortController();
    const other = model.predict("other");
    const call = model.predict("a", { signal: controller.signal });
    const { args, result } = native.last("predict");
    controller.abort("enough");
    expect(await reasonOf(call)).toBe("enough");
    expect(native.cancelled).toEqual([args[0]]);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    result.reject(nativeError("ERR_CANCELLED", "cancelled"));
    native.calls[0]!.result.resolve(prediction(1));
    expect((await other).logits.dims).toEqual([1, 3]);
  });

  it("puts one listener on a signal that serves many calls, and leaves none", async () => {
    const model = await load();
    const { signal } = new AbortController();
    const calls = Array.from({ length: 20 }, () => model.predict("a", { signal }));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    for (const { result } of native.calls) result.resolve(prediction(1));
    await Promise.all(calls);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("rejects every call of one signal", async () => {
    const model = await load();
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 3 }, () => model.predict("a", { signal }));
    controller.abort("enough");
    expect(await Promise.all(calls.map(reasonOf))).toEqual(["enough", "enough", "enough"]);
    expect(native.cancelled).toEqual([1, 2, 3]);
  });

  it("rejects after its timeout and cancels", async () => {
    const model = await load();
    await expectError(model.predict("a", { timeout: 1 }), "ERR_TIMEOUT", "1 ms");
    expect(native.timedOut).toEqual([1]);
    expect(native.cancelled).toEqual([]);
  });

  it("gives the addon's error its class, the original as cause", async () => {
    const model = await load();
    const call = model.predict("a");
    const original = nativeError("ERR_INVALID_INPUT", "row 0: id 999");
    native.last("predict").result.reject(original);
    const error = await errorOf(call);
    expect(error).toMatchObject({
      code: "ERR_INVALID_INPUT",
      message: "row 0: id 999",
      cause: original,
    });
  });
});

describe("classify", () => {
  const classify = async (problemType: string, options?: object) => {
    native.info = { ...native.info, problemType };
    const model = await load();
    const call = model.classify(["a", "b"], options);
    native
      .last("predict")
      .result.resolve(
        problemType === "regression" ? { ...prediction(2), probabilities: null } : prediction(2),
      );
    return (await call).map((row) => row.map(({ label }) => label));
  };

  it("gives the best label of each text", async () => {
    expect(await classify("single_label_classification")).toEqual([["good"], ["good"]]);
    expect(await classify("multi_label_classification")).toEqual([["good"], ["good"]]);
  });

  it("gives topK labels, or all", async () => {
    expect(await classify("single_label_classification", { topK: 2 })).toEqual([
      ["good", "fair"],
      ["good", "fair"],
    ]);
    expect((await classify("single_label_classification", { topK: null }))[0]).toHaveLength(3);
  });

  it("gives every label's score for a regression", async () => {
    expect((await classify("regression"))[0]).toHaveLength(3);
  });

  it("passes on what ends a call and its priority", async () => {
    const model = await load();
    const controller = new AbortController();
    const call = model.classify("a", { priority: 4, signal: controller.signal });
    expect(native.last("predict").args[2]).toEqual({ priority: 4 });
    controller.abort("enough");
    expect(await reasonOf(call)).toBe("enough");
  });

  it("of no texts is empty", async () => {
    expect(await (await load()).classify([])).toEqual([]);
  });

  it.each<[unknown, unknown, string]>([
    ["a", { topK: 0 }, "options.topK"],
    ["a", { functionToApply: "tanh" }, "options.functionToApply"],
    [{ inputIds: 1 }, undefined, "string or array of strings"],
  ])("refuses %p with %p", async (input, options, message) => {
    const model = await load();
    await expectError(
      model.classify(input as string, options as object),
      "ERR_INVALID_ARGUMENT",
      message,
    );
  });
});

describe("training", () => {
  const batch = { texts: ["a"], labels: ["good"] };

  it("gives the options of the optimizer and the step to the addon", async () => {
    const model = await load();
    model.configureTraining({ learningRate: 1e-4, maxGradNorm: 0 });
    expect(native.last("configureTraining").args).toEqual([{ learningRate: 1e-4, maxGradNorm: 0 }]);
    const step = model.trainStep(batch);
    expect(native.last("trainStep").args[1]).toEqual({ input: ["a"], labels: Int32Array.of(2) });
    native.last("trainStep").result.resolve(stepResult(1));
    const result = await step;
    expect(result).toMatchObject({
      step: 1,
      loss: 0.5,
      gradNorm: 2,
      learningRates: Float64Array.of(5e-5, 1e-3),
    });
    expect(result.logits.dims).toEqual([1, 3]);
  });

  it("refuses a feature cache where the model's padding takes part", async () => {
    native.info.config = JSON.stringify({ bert_cnn: { padding: "include" } });
    const model = await load();
    await expectError(
      () => {
        model.configureTraining({ featureCache: true });
      },
      "ERR_INVALID_ARGUMENT",
      "options.featureCache",
    );
  });

  it("evaluates a batch in turn", async () => {
    const model = await load();
    const evaluated = evaluateBatch(model, ["a", "b"]);
    expect(native.last("evaluate").args).toEqual([["a", "b"]]);
    native.last("evaluate").result.resolve(prediction(2));
    expect((await evaluated).logits.dims).toEqual([2, 3]);
    await expectError(evaluateBatch(model, 1 as never), "ERR_INVALID_ARGUMENT", "input");
    void model.dispose();
    await expectError(evaluateBatch(model, "a"), "ERR_DISPOSED", "disposed");
  });

  it("hands calls on at once and in their order, also while an optimizer is set up", async () => {
    const model = await load();
    model.configureTraining({ learningRate: 1 });
    void model.trainStep(batch);
    void model.predict("after the step");
    model.configureTraining({ learningRate: 2 });
    void model.trainStep(batch);
    void model.savePretrained("x");
    expect(native.calls.map(({ method }) => method)).toEqual([
      "configureTraining",
      "trainStep",
      "predict",
      "configureTraining",
      "trainStep",
      "savePretrained",
    ]);
  });

  it("lists the groups of the optimizer", async () => {
    const model = await load();
    const groups = model.parameterGroups();
    const head = {
      name: "head",
      learningRate: 1e-3,
      weightDecay: 0.01,
      parameters: ["fc.weight"],
      numel: 6,
    };
    native.last("parameterGroups").result.resolve([head]);
    expect(await groups).toEqual([head]);
    const refused = model.parameterGroups();
    native
      .last("parameterGroups")
      .result.reject(nativeError("ERR_TRAINING_NOT_CONFIGURED", "Call configureTraining first."));
    await expectError(refused, "ERR_TRAINING_NOT_CONFIGURED", "configureTraining");
  });

  it("gives what is to be frozen to the addon, and shows the configuration that this leads to", async () => {
    const model = await load();
    const setting = model.setFreeze(["bert.*"]);
    expect(native.last("setFreeze").args).toEqual([["bert.*"]]);
    native.last("setFreeze").result.resolve(JSON.stringify({ bert_cnn: { freeze: ["bert.*"] } }));
    await setting;
    expect(model.config).toEqual({ bert_cnn: { freeze: ["bert.*"] } });
    expect(Object.isFrozen(model.config)).toBe(true);
  });

  it.each<[unknown, string]>([
    [undefined, "freeze but received undefined"],
    ["head", "freeze but received 'head'"],
    [-1, "freeze"],
    [2.5, "freeze"],
    [[], "at least one pattern for freeze"],
    [[1], "freeze[0]"],
  ])("refuses to freeze %j", async (freeze, message) => {
    const model = await load();
    await expectError(model.setFreeze(freeze as Freeze), "ERR_INVALID_ARGUMENT", message);
    expect(native.count("setFreeze")).toBe(0);
  });

  it("gives a calibration to the addon, and shows the configuration that this leads to", async () => {
    const model = await load();
    const setting = model.setCalibration({ temperature: 2, thresholds: undefined });
    expect(native.last("setCalibration").args).toEqual([{ temperature: 2 }]);
    native.last("setCalibration").result.resolve(JSON.stringify({ bert_cnn: { temperature: 2 } }));
    await setting;
    expect(model.config).toEqual({ bert_cnn: { temperature: 2 } });
    expect(Object.isFrozen(model.config)).toBe(true);
    void model.setCalibration(null);
    expect(native.last("setCalibration").args).toEqual([null]);
  });

  it("takes thresholds for several labels, as many as there are", async () => {
    native.info = { ...native.info, problemType: "multi_label_classification" };
    const model = await load();
    void model.setCalibration({ thresholds: [0.25, 0.5, 0.75] });
    expect(native.last("setCalibration").args).toEqual([{ thresholds: [0.25, 0.5, 0.75] }]);
    for (const thresholds of [[0.5, 0.5], [], [0.5, 0.5, 1], [0, 0.5, 0.5], [0.5, "a", 0.5], 0.5]) {
      const work = model.setCalibration({ thresholds } as Calibration);
      await expectError(work, "ERR_INVALID_ARGUMENT", "calibration.thresholds");
    }
    expect(native.count("setCalibration")).toBe(1);
  });

  it.each<[unknown, string]>([
    [undefined, "object or null for calibration"],
    [3, "calibration but received 3"],
    [{ temperature: 0 }, "calibration.temperature"],
    [{ temperature: Infinity }, "calibration.temperature"],
    [{ temperature: "2" }, "calibration.temperature"],
    [{ temperatur: 2 }, "'temperatur'"],
    [{ thresholds: [0.5, 0.5, 0.5] }, "nothing but for several labels"],
  ])("refuses to calibrate with %j", async (calibration, message) => {
    const model = await load();
    const work = model.setCalibration(calibration as Calibration);
    await expectError(work, "ERR_INVALID_ARGUMENT", message);
    expect(native.count("setCalibration")).toBe(0);
  });

  it("refuses to calibrate a regression", async () => {
    native.info = { ...native.info, problemType: "regression" };
    const model = await load();
    const work = model.setCalibration({ temperature: 2 });
    await expectError(work, "ERR_INVALID_ARGUMENT", "regression", "calibration.temperature");
  });

  it("gives the file of a training state to the addon, and shows where it stands", async () => {
    const model = await load();
    void model.saveTrainingState("run.safetensors");
    const file = path.resolve("run.safetensors");
    expect(native.last("saveTrainingState").args).toEqual([file]);
    const loading = model.loadTrainingState("run.safetensors");
    expect(native.last("loadTrainingState").args).toEqual([file]);
    const config = JSON.stringify({ bert_cnn: { freeze: 2 } });
    native.last("loadTrainingState").result.resolve({ step: 7, batches: 1, config });
    expect(await loading).toEqual({ step: 7, accumulatedBatches: 1 });
    expect(model.config).toEqual({ bert_cnn: { freeze: 2 } });
    for (const wrong of ["run.pt", "", 3, "a\0.safetensors"]) {
      await expectError(model.saveTrainingState(wrong as string), "ERR_INVALID_ARGUMENT", "file");
      await expectError(model.loadTrainingState(wrong as string), "ERR_INVALID_ARGUMENT", "file");
    }
  });

  it("leaves it to the steps to fail with what setting up the optimizer failed with", async () => {
    const model = await load();
    model.configureTraining();
    const full = nativeError("ERR_OUT_OF_MEMORY", "no room for moments");
    native.last("configureTraining").result.reject(full); // an unhandled rejection would fail the run
    const step = model.trainStep(batch);
    native.last("trainStep").result.reject(full);
    await expectError(step, "ERR_OUT_OF_MEMORY", "no room for moments");
  });

  it.each<[object, string]>([
    [{ learningrate: 1 }, "'learningrate'"],
    [{ learningRate: -1 }, "options.learningRate"],
    [{ headLearningRate: NaN }, "options.headLearningRate"],
    [{ weightDecay: Infinity }, "options.weightDecay"],
    [{ beta1: 1 }, "options.beta1"],
    [{ beta2: -0.1 }, "options.beta2"],
    [{ learningRate: 2e6 }, "number from 0 to 1000000 for options.learningRate"],
    [{ epsilon: 0 }, "options.epsilon"],
    [{ maxGradNorm: "1" }, "options.maxGradNorm"],
  ])("is not configured with %p", async (options, message) => {
    const model = await load();
    await expectError(
      () => {
        model.configureTraining(options);
      },
      "ERR_INVALID_ARGUMENT",
      message,
    );
    expect(native.count("configureTraining")).toBe(0);
  });

  it.each<[string, unknown, string, string]>([
    ["nothing", undefined, "ERR_INVALID_ARGUMENT", "batch"],
    ["neither texts nor tokens", { labels: [] }, "ERR_INVALID_ARGUMENT", "neither"],
    [
      "both texts and tokens",
      { ...batch, tokens: { inputIds: new Tensor("int32", new Int32Array(1), [1, 1]) } },
      "ERR_INVALID_ARGUMENT",
      "both",
    ],
    ["an unknown field", { ...batch, lables: [] }, "ERR_INVALID_ARGUMENT", "'lables'"],
    ["an empty batch", { texts: [], labels: [] }, "ERR_INVALID_INPUT", "at least one row"],
    [
      "an unknown label",
      { texts: ["a"], labels: ["great"] },
      "ERR_INVALID_LABELS",
      "batch.labels[0]",
    ],
  ])("is refused with %s", async (_, value, code, message) => {
    const model = await load();
    await expectError(model.trainStep(value as never), code as "ERR_INVALID_ARGUMENT", message);
    expect(native.count("trainStep")).toBe(0);
  });

  it("takes tokens", async () => {
    const model = await load();
    const inputIds = new Tensor("int32", Int32Array.of(5, 6), [1, 2]);
    void model.trainStep({ tokens: { inputIds }, labels: [0] });
    expect(native.last("trainStep").args[1]).toEqual({
      input: { rows: 1, length: 2, inputIds: Int32Array.of(5, 6) },
      labels: Int32Array.of(0),
    });
  });

  it("resolves where the step was taken in spite of the signal", async () => {
    const model = await load();
    const controller = new AbortController();
    const step = model.trainStep(batch, { signal: controller.signal });
    controller.abort("enough");
    expect(native.cancelled).toEqual([1]);
    native.last("trainStep").result.resolve(stepResult(4));
    expect((await step).step).toBe(4);
  });

  it("rejects with the signal's reason where the step was dropped", async () => {
    const model = await load();
    const controller = new AbortController();
    const step = model.trainStep(batch, { signal: controller.signal });
    controller.abort("enough");
    native.last("trainStep").result.reject(nativeError("ERR_CANCELLED", "cancelled"));
    expect(await reasonOf(step)).toBe("enough");
  });

  it("is not begun with a signal that is aborted", async () => {
    const model = await load();
    expect(await reasonOf(model.trainStep(batch, { signal: AbortSignal.abort("no") }))).toBe("no");
    expect(native.count("trainStep")).toBe(0);
  });
});

describe("weights", () => {
  it("are saved to absolute paths", async () => {
    const model = await load();
    void model.savePretrained("out");
    expect(native.last("savePretrained").args).toEqual([path.resolve("out")]);
    void model.saveStateDict("out/weights.pt");
    expect(native.last("saveStateDict").args).toEqual([path.resolve("out/weights.pt")]);
  });

  it("are loaded strictly unless told otherwise", async () => {
    const model = await load();
    const loading = model.loadStateDict("weights.pt");
    expect(native.last("loadStateDict").args).toEqual([path.resolve("weights.pt"), true]);
    native
      .last("loadStateDict")
      .result.resolve({ missing: ["a"], unexpected: [], initialized: [], packSeconds: 0 });
    expect(await loading).toEqual({
      missing: ["a"],
      unexpected: [],
      initialized: [],
      packSeconds: 0,
    });
    void model.loadStateDict("weights.pt", { strict: false });
    expect(native.last("loadStateDict").args[1]).toBe(false);
  });

  it("are not written to a file of an unknown ending", async () => {
    const model = await load();
    await expectError(
      model.saveStateDict("weights.onnx"),
      "ERR_INVALID_ARGUMENT",
      ".safetensors or .pt",
    );
    expect(native.count("saveStateDict")).toBe(0);
  });

  it("give the addon's errors their class", async () => {
    const model = await load();
    const saving = model.savePretrained("out");
    native.last("savePretrained").result.reject(nativeError("ERR_IO", "disk full"));
    await expectError(saving, "ERR_IO", "disk full");
  });
});

describe("dispose", () => {
  it("may be called again, and ends the addon's model once", async () => {
    const model = await load();
    const disposal = model.dispose();
    expect(model.dispose()).toBe(disposal);
    expect(model[Symbol.asyncDispose]()).toBe(disposal);
    native.last("dispose").result.resolve(undefined);
    await disposal;
    expect(native.count("dispose")).toBe(1);
  });

  it("lets every later call fail, without a call of the addon", async () => {
    const model = await load();
    void model.dispose();
    const before = native.calls.length;
    for (const work of [
      () => model.predict("a"),
      () => model.predict([]),
      () => model.classify("a"),
      () => model.trainStep({ texts: ["a"], labels: [0] }),
      () => model.savePretrained("x"),
      () => model.loadStateDict("x.pt"),
      () => model.saveStateDict("x.pt"),
      () => {
        model.configureTraining();
      },
      () => model.stats(),
      () => model.share(),
      () => model.warmup(),
      () => model.emptyCache(),
    ]) {
      await expectError(work, "ERR_DISPOSED", "was disposed");
    }
    expect(native.calls).toHaveLength(before);
  });

  it("lets a signal come too late", async () => {
    const model = await load();
    const controller = new AbortController();
    const call = model.predict("a", { signal: controller.signal });
    void model.dispose();
    controller.abort("enough");
    expect(await reasonOf(call)).toBe("enough");
    expect(native.cancelled).toEqual([]);
  });

  it("ends the reports of counters", async () => {
    jest.useFakeTimers();
    const onStats = jest.fn();
    const model = await BertCnn.fromPretrained(directory, { onStats, statsInterval: 5 });
    jest.advanceTimersByTime(5);
    expect(onStats).toHaveBeenCalledWith(model.stats());
    void model.dispose();
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  it("gives the addon's error its class", async () => {
    const model = await load();
    const disposal = model.dispose();
    native.last("dispose").result.reject(new Error("odd"));
    await expectError(disposal, "ERR_INTERNAL", "odd");
  });
});

describe("sharing", () => {
  it("gives the addon's token, and a handle of it the model's facts", async () => {
    const model = await load();
    expect(model.share()).toBe("bertcnn-42");
    const other = BertCnn.fromShared("bertcnn-42");
    expect(native.last("openShared").args).toEqual(["bertcnn-42"]);
    expect(other).toBeInstanceOf(BertCnn);
    expect(other.labels).toEqual(model.labels);
  });

  it.each<[unknown, unknown, string]>([
    [42, undefined, "non-empty string for token"],
    ["", undefined, "non-empty string for token"],
    ["bertcnn-42", { priority: 1 }, "'priority'"],
  ])("refuses %p with %p", async (token, options, message) => {
    await expectError(
      () => BertCnn.fromShared(token as string, options as object),
      "ERR_INVALID_ARGUMENT",
      message,
    );
    expect(native.count("openShared")).toBe(0);
  });

  it("gives the addon's error its class", async () => {
    native.openShared = () => {
      throw nativeError("ERR_INVALID_ARGUMENT", "no such token");
    };
    await expectError(() => BertCnn.fromShared("x"), "ERR_INVALID_ARGUMENT", "no such token");
  });
});

it("warming up is the addon's", async () => {
  const model = await load();
  const warming = model.warmup();
  native.last("warmUp").result.resolve(undefined);
  await expect(warming).resolves.toBeUndefined();
});

it("giving back memory is the addon's", async () => {
  const model = await load();
  const emptying = model.emptyCache();
  native.last("emptyCache").result.resolve(undefined);
  await expect(emptying).resolves.toBeUndefined();
});

it("stats are a copy of the addon's counters", async () => {
  const model = await load();
  const stats = model.stats();
  expect(stats).toEqual(native.model().stats());
  stats.rows = 0;
  stats.batchRows.pop();
  expect(model.stats()).toMatchObject({ rows: 7, batchRows: [0, 1, 1] });
});

it("an error of a call that throws instead of rejecting has its class too", async () => {
  const throwing: NativeModel = {
    ...native.model(),
    savePretrained: () => {
      throw nativeError("ERR_INVALID_ARGUMENT", "not a directory");
    },
  };
  native.loading = Promise.resolve(throwing);
  const model = await load();
  expect(await errorOf(model.savePretrained("x"))).toBeInstanceOf(BertCnnError);
});
