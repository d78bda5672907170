// What users write, as the compiler sees it: compiled by `npm run types`, never run. A line that must not
// compile is marked with @ts-expect-error, which is itself an error where the line does compile.
import {
  BertCnn,
  BertCnnError,
  Dataset,
  Tensor,
  Tokenizer,
  type BertCnnConfig,
  type BertCnnErrorCode,
  type Classification,
  type EngineStats,
  type Label,
  type LoadReport,
  type ParameterGroup,
  type Prediction,
  type StepResult,
  type TokenBatch,
  type TrainingPosition,
} from "../../src/index.cjs";

/** Holds only where two types are the same, `any` excluded. */
type Same<A, B> =
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- how types are compared exactly
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Takes only values whose type is exactly `Expected`: `exactly<number>()(value)`. */
declare function exactly<Expected>(): <Actual>(
  value: Actual & (Same<Actual, Expected> extends true ? unknown : never),
) => void;

/** ONNX Runtime's tensor, as far as its declarations matter here. */
interface OrtTensor {
  readonly type: "int64";
  readonly dims: readonly number[];
  readonly data: BigInt64Array;
  readonly size: number;
  readonly location: "none" | "cpu" | "cpu-pinned" | "texture" | "gpu-buffer" | "ml-tensor";
}

export async function loading(signal: AbortSignal, maybe: number | undefined): Promise<void> {
  const model = await BertCnn.fromPretrained("dir", {
    variant: "max-over-time",
    labels: ["a", "b"] as const,
    problemType: "multi_label_classification",
    filterSizes: [2, 3],
    device: "cuda:1",
    padding: "include",
    freeze: "none",
    dtype: "float32",
    seed: maybe,
    threads: { workers: 2, perWorker: maybe },
    maxQueueDelay: 2,
    maxPriorityAge: maybe,
    onStats: (stats) => {
      exactly<EngineStats>()(stats);
      exactly<number[]>()(stats.batchRows);
    },
    statsInterval: 1000,
    revision: "main",
    progress: ({ file, loaded, total }) => {
      exactly<string>()(file);
      exactly<number>()(loaded);
      exactly<number | null>()(total);
    },
    signal,
  });
  exactly<BertCnn>()(model);
  exactly<BertCnnConfig>()(model.config);
  exactly<readonly string[]>()(model.labels);
  exactly<"frozen" | "fine-tune" | "max-over-time">()(model.config.bert_cnn.variant);

  // @ts-expect-error -- a misspelt option
  await BertCnn.fromPretrained("dir", { varient: "frozen" });
  // @ts-expect-error -- no such variant
  await BertCnn.fromPretrained("dir", { variant: "thawed" });
  await BertCnn.fromPretrained("dir", { threads: "auto" });
  await BertCnn.fromPretrained("dir", { threads: 2 });
  // @ts-expect-error -- no such threads
  await BertCnn.fromPretrained("dir", { threads: "all" });
  // @ts-expect-error -- no such device
  await BertCnn.fromPretrained("dir", { device: "gpu" });
  // @ts-expect-error -- the constructor is private
  new BertCnn("dir");
  // @ts-expect-error -- facts are read-only
  model.labels = [];
  // @ts-expect-error -- so are their elements
  model.labels[0] = "c";
  // @ts-expect-error -- and the configuration
  model.config.hidden_size = 3;
}

export async function predicting(model: BertCnn, ort: OrtTensor): Promise<void> {
  const prediction = await model.predict(["a", "b"] as const, { timeout: 5, priority: 1 });
  exactly<Prediction>()(prediction);
  exactly<Tensor<"float32">>()(prediction.logits);
  exactly<Float32Array>()(prediction.logits.data);
  exactly<Tensor<"float32"> | null>()(prediction.probabilities);

  const tokens: TokenBatch = {
    inputIds: new Tensor("int32", Int32Array.of(1, 2), [1, 2]),
    attentionMask: ort,
  };
  await model.predict(tokens);
  await model.predict({ inputIds: ort, attentionMask: undefined });
  exactly<Classification[][]>()(await model.classify("a"));
  await model.classify("a", { topK: null, functionToApply: "none" });

  // @ts-expect-error -- numbers are no texts
  await model.predict([1, 2]);
  // @ts-expect-error -- ids are integers
  await model.predict({ inputIds: new Tensor("float32", new Float32Array(1), [1, 1]) });
  // @ts-expect-error -- classify takes texts
  await model.classify(tokens);
  // @ts-expect-error -- an option of classify
  await model.predict("a", { topK: 2 });
}

export async function training(model: BertCnn, tokens: TokenBatch): Promise<void> {
  model.configureTraining({ learningRate: 1e-4, maxGradNorm: 0 });
  const result = await model.trainStep({ texts: ["a"], labels: ["good"] });
  exactly<StepResult>()(result);
  await model.trainStep({ tokens, labels: Int32Array.of(0) });
  await model.trainStep({ tokens, labels: Float32Array.of(0.5) });
  await model.trainStep({ texts: ["a"], labels: [[0, 1]] }, { signal: AbortSignal.timeout(5) });

  model.configureTraining({ objective: "masked-language-model", maskProbability: 0.2 });
  await model.trainStep({ texts: ["a"] });
  // @ts-expect-error -- names and numbers do not mix
  await model.trainStep({ texts: ["a", "b"], labels: ["good", 1] });
  exactly<ParameterGroup[]>()(await model.parameterGroups());
  model.configureTraining({ optimizer: "sgd", momentum: 0.9, schedule: "linear", totalSteps: 9 });
  // @ts-expect-error -- no such optimizer
  model.configureTraining({ optimizer: "adam" });
  await model.setFreeze(["bert.embeddings.*"] as const);
  await model.setFreeze(3);
  await model.saveTrainingState("run.safetensors");
  exactly<TrainingPosition>()(await model.loadTrainingState("run.safetensors"));

  // @ts-expect-error -- no such part
  await model.setFreeze("head");
  // @ts-expect-error -- a misspelt option
  model.configureTraining({ learnRate: 1 });
}

export async function datasets(model: BertCnn, examples: readonly { text: string; label: 1 }[]) {
  exactly<Dataset>()(Dataset.from(examples));
  Dataset.from(() => examples, { shuffleBuffer: 5 });
  Dataset.from(async () => Promise.resolve(new Set(examples)));
  const data = Dataset.fromFile(["a.csv"] as const, {
    labelColumn: ["a", "b"] as const,
    labelNames: ["no", "yes"] as const,
    header: undefined,
  });
  const { train } = await data.split({ testSize: 0.1, stratify: true });
  for await (const { texts, labels, rows } of train.batches({ shuffle: true })) {
    exactly<Label[]>()(labels);
    exactly<number[]>()(rows);
    await model.predict(texts);
  }
  for await (const { label } of train) exactly<Label>()(label);
  exactly<ReadonlyMap<string, number>>()(await train.classCounts());

  // @ts-expect-error -- a path is for fromFile
  Dataset.from("a.csv");
  // @ts-expect-error -- a misspelt option
  Dataset.fromFile("a.csv", { separator: ";" });
  // @ts-expect-error -- an option of files
  Dataset.from(examples, { header: true });
}

export async function keeping(model: BertCnn): Promise<void> {
  exactly<LoadReport>()(await model.loadStateDict("weights.pt", { strict: false }));
  exactly<EngineStats>()(model.stats());
  exactly<string>()(model.share());
  exactly<BertCnn>()(BertCnn.fromShared("token", { onStats: console.log }));
  await model.warmup();
  // @ts-expect-error -- a handle has no options of the model
  BertCnn.fromShared("token", { threads: 1 });
  await using disposedAtTheEnd = model;
  await disposedAtTheEnd.saveStateDict("weights.pt");
}

export async function tokenizing(): Promise<void> {
  const tokenizer = await Tokenizer.fromPretrained("dir");
  const { ids, offsets } = tokenizer.encode("a", { textPair: "b", maxLength: 8 });
  exactly<Int32Array>()(ids);
  exactly<Int32Array>()(offsets);
  await tokenizer.encodeBatch(["a"], { addSpecialTokens: false });
  exactly<number | null>()(tokenizer.tokenToId("a"));
  // @ts-expect-error -- a batch takes textPairs
  await tokenizer.encodeBatch(["a"], { textPair: "b" });
}

export function tensors(): void {
  const tensor = new Tensor("int64", BigInt64Array.of(1n), [1]);
  exactly<Tensor<"int64">>()(tensor);
  exactly<"int64">()(tensor.type);
  // @ts-expect-error -- int64 is held by a BigInt64Array
  new Tensor("int64", Int32Array.of(1), [1]);
  // @ts-expect-error -- no such type
  new Tensor("float16", new Uint16Array(1));
}

export function errors(error: unknown): string | undefined {
  if (!(error instanceof BertCnnError)) return undefined;
  exactly<BertCnnErrorCode>()(error.code);
  // @ts-expect-error -- no such code
  if (error.code === "ERR_QUEUE_FUL") return "never";
  return error.code === "ERR_QUEUE_FULL" ? error.message : error.code;
}
