import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import { Tensor, type BertCnn, type BertCnnOptions } from "../../../src/index.cjs";
import { fixture, load, temporaryFolder, texts } from "../support/models.cjs";
import { readSafetensors } from "../support/safetensors.cjs";
import { expectError } from "../support/rejection.cjs";

const variants = ["frozen", "fine-tune", "max-over-time"] as const;
const logits = async (model: BertCnn) => (await model.predict(texts(9))).logits.data;

/** A copy of a fixture whose config.json has other fields. */
async function withConfig(name: string, fields: Record<string, unknown>): Promise<string> {
  const folder = await temporaryFolder();
  await cp(fixture(name), folder, { recursive: true });
  const file = path.join(folder, "config.json");
  const config = JSON.parse(await readFile(file, "utf8")) as object;
  await writeFile(file, JSON.stringify({ ...config, ...fields }));
  return folder;
}

describe("savePretrained and fromPretrained", () => {
  it.each(variants)(
    "bring %s back with equal logits, labels and configuration",
    async (variant) => {
      const labels = ["sad", "glad", "mad"];
      const model = await load("tiny-bert", {
        variant,
        labels,
        seed: 5,
        numFilters: 7,
        dropout: 0.25,
      });
      model.configureTraining();
      await model.trainStep({ texts: ["a", "b"], labels: ["mad", "sad"] });
      const folder = path.join(await temporaryFolder(), "deep", "model");
      await model.savePretrained(folder);
      const again = await load(folder);
      expect(await logits(again)).toEqual(await logits(model));
      expect(again.labels).toEqual(labels);
      expect(again.config).toEqual(model.config);
      expect(again.maxLength).toBe(model.maxLength);
      expect(again.config.bert_cnn).toMatchObject({ variant, num_filters: 7, dropout: 0.25 });
      expect(again.loadReport).toMatchObject({ missing: [], unexpected: [], initialized: [] });
      expect(again.loadReport.packSeconds).toBeGreaterThan(0);
    },
  );

  it("write a directory that others read: fields kept, names of the state dict, the tokenizer", async () => {
    const model = await load(await withConfig("tiny-frozen", { my_note: { kept: [1, 2] } }));
    const folder = path.join(await temporaryFolder(), "model");
    await model.savePretrained(folder);
    expect((await readdir(folder)).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer_config.json",
      "vocab.txt",
    ]);
    const config = JSON.parse(await readFile(path.join(folder, "config.json"), "utf8")) as unknown;
    expect(config).toEqual(model.config);
    expect(config).toMatchObject({ my_note: { kept: [1, 2] }, hidden_size: 16 });
    const saved = readSafetensors(path.join(folder, "model.safetensors"));
    const source = readSafetensors(path.join(fixture("tiny-frozen"), "model.safetensors"));
    expect([...saved.keys()].sort()).toEqual([...source.keys()].sort());
    for (const [name, tensor] of source) expect(saved.get(name)).toEqual(tensor);
  });

  it("replace a directory that was saved before", async () => {
    const folder = path.join(await temporaryFolder(), "model");
    await (await load("tiny-frozen")).savePretrained(folder);
    const other = await load("tiny-fine-tune");
    await other.savePretrained(folder);
    expect(await logits(await load(folder))).toEqual(await logits(other));
  });

  it("leave nothing behind where they cannot write", async () => {
    const folder = await temporaryFolder();
    const file = path.join(folder, "a-file");
    await writeFile(file, "x");
    const model = await load("tiny-frozen");
    await expectError(model.savePretrained(path.join(file, "model")), "ERR_IO", file);
    await expectError(model.saveStateDict(path.join(file, "weights.pt")), "ERR_IO", file);
    expect(await readdir(folder)).toEqual(["a-file"]);
  });
});

describe("a new head", () => {
  it("is drawn from the seed and named in the report", async () => {
    const make = (seed: number) => load("tiny-bert", { seed, labels: ["a", "b"] });
    const model = await make(1);
    expect([...model.loadReport.initialized].sort()).toEqual([
      "convs.0.bias",
      "convs.0.weight",
      "convs.1.bias",
      "convs.1.weight",
      "convs.2.bias",
      "convs.2.weight",
      "fc.bias",
      "fc.weight",
    ]);
    expect(await logits(await make(1))).toEqual(await logits(model));
    expect(await logits(await make(2))).not.toEqual(await logits(model));
  });

  it("has the shape that was asked for", async () => {
    const options: BertCnnOptions = {
      variant: "max-over-time",
      filterSizes: [1, 4],
      numFilters: 3,
      numLabels: 5,
    };
    const model = await load("tiny-bert", options);
    expect(model.labels).toEqual(["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", "LABEL_4"]);
    expect(model.config.bert_cnn).toMatchObject({ filter_sizes: [1, 4], num_filters: 3 });
    expect((await model.predict("a")).logits.dims).toEqual([1, 5]);
  });

  it("goes on an old pre-training checkpoint too", async () => {
    const model = await load("tiny-legacy", { seed: 1 });
    expect(model.loadReport.unexpected.some((name) => name.startsWith("cls."))).toBe(true);
    expect((await model.predict("a good movie")).logits.dims).toEqual([1, 2]);
  });
});

describe("a state dict", () => {
  it.each(variants)("of %s that PyTorch wrote gives PyTorch's model", async (variant) => {
    const expected = await load(`tiny-${variant}`);
    const { filter_sizes, num_filters } = expected.config.bert_cnn;
    const folder = await withConfig(`tiny-${variant}`, {});
    const model = await load(folder);
    model.configureTraining({ headLearningRate: 0.5 });
    const target = model.problemType === "single_label_classification" ? [0] : [[0, 1, 0]];
    await model.trainStep({ texts: ["a"], labels: target });
    expect(await logits(model)).not.toEqual(await logits(expected));
    expect(await model.loadStateDict(fixture(`${variant}.pt`))).toMatchObject({
      missing: [],
      unexpected: [],
    });
    expect(await logits(model)).toEqual(await logits(expected));
    expect(model.config.bert_cnn).toMatchObject({ filter_sizes, num_filters });
  });

  it.each([".pt", ".safetensors"])("goes to a %s file and back, bit for bit", async (ending) => {
    const model = await load("tiny-bert", { seed: 1 });
    const file = path.join(await temporaryFolder(), `weights${ending}`);
    await model.saveStateDict(file);
    const other = await load("tiny-bert", { seed: 2 });
    expect(await logits(other)).not.toEqual(await logits(model));
    await other.loadStateDict(file);
    expect(await logits(other)).toEqual(await logits(model));
  });

  it("of another model is refused by names, and the weights stay", async () => {
    const model = await load("tiny-frozen");
    const before = await logits(model);
    await expectError(
      model.loadStateDict(fixture("fine-tune.pt")),
      "ERR_CHECKPOINT_MISMATCH",
      "convs.0.weight",
      "conv.weight",
    );
    expect(await logits(model)).toEqual(before);
  });

  it("that is not there or is none is refused", async () => {
    const model = await load("tiny-frozen");
    await expectError(
      model.loadStateDict("/nowhere/weights.pt"),
      "ERR_FILE_NOT_FOUND",
      "/nowhere/weights.pt",
    );
    const file = path.join(await temporaryFolder(), "weights.safetensors");
    await writeFile(file, "not a tensor in sight");
    await expectError(model.loadStateDict(file), "ERR_CHECKPOINT_FORMAT", file);
  });
});

describe("a directory", () => {
  it("without a file names it", async () => {
    const folder = await temporaryFolder();
    await expectError(load(folder), "ERR_FILE_NOT_FOUND", "config.json");
    await cp(path.join(fixture("tiny-bert"), "config.json"), path.join(folder, "config.json"));
    await expectError(load(folder), "ERR_FILE_NOT_FOUND", "model.safetensors");
  });

  it("without a tokenizer gives a model that takes token ids only", async () => {
    const folder = await withConfig("tiny-frozen", {});
    await rm(path.join(folder, "vocab.txt"));
    const model = await load(folder);
    await expectError(model.predict("a"), "ERR_INVALID_INPUT", "vocab.txt", "token ids only");
    const inputIds = new Tensor("int32", Int32Array.of(2, 7, 3), [1, 3]);
    const { logits } = await model.predict({ inputIds });
    expect(logits.data).toEqual(
      (await (await load("tiny-frozen")).predict({ inputIds })).logits.data,
    );
  });

  it.each<
    [string, Record<string, unknown>, "ERR_INVALID_CONFIG" | "ERR_UNSUPPORTED_CONFIG", string]
  >([
    [
      "whose arithmetic is not supported",
      { position_embedding_type: "relative_key" },
      "ERR_UNSUPPORTED_CONFIG",
      "relative_key",
    ],
    ["with an unknown activation", { hidden_act: "mystery" }, "ERR_UNSUPPORTED_CONFIG", "mystery"],
    ["of another model type", { model_type: "roberta" }, "ERR_UNSUPPORTED_CONFIG", "roberta"],
    [
      "with a width that its heads do not divide",
      { num_attention_heads: 3 },
      "ERR_INVALID_CONFIG",
      "num_attention_heads",
    ],
    ["with a size that is no number", { hidden_size: "wide" }, "ERR_INVALID_CONFIG", "hidden_size"],
  ])("%s is refused", async (_, fields, code, part) => {
    await expectError(load(await withConfig("tiny-bert", fields)), code, part);
  });

  it("whose weights do not fit its config names them", async () => {
    const folder = await withConfig("tiny-bert", { intermediate_size: 48 });
    await expectError(
      load(folder),
      "ERR_CHECKPOINT_MISMATCH",
      "encoder.layer.0.intermediate.dense.weight",
      "48",
    );
  });

  it("that claims to be larger than its weights is refused before memory is taken", async () => {
    const folder = await withConfig("tiny-bert", { vocab_size: 2_000_000_000 });
    await expectError(load(folder), "ERR_CHECKPOINT_MISMATCH", "word_embeddings", "2000000000");
  });

  it("whose head is another variant's is refused, not replaced by a new one", async () => {
    const folder = await withConfig("tiny-fine-tune", { bert_cnn: null });
    await expectError(load(folder), "ERR_CHECKPOINT_MISMATCH", "convs.0.weight", "conv.weight");
  });

  it("with broken JSON names the place", async () => {
    const folder = await withConfig("tiny-bert", {});
    await writeFile(path.join(folder, "config.json"), '{\n  "hidden_size": 16,\n  oops\n}');
    await expectError(load(folder), "ERR_INVALID_JSON", "config.json", "3");
  });

  it("on a device that is not there is refused, and auto finds one that is", async () => {
    await expectError(load("tiny-bert", { device: "cuda:99" }), "ERR_DEVICE_UNAVAILABLE", "cuda");
    expect((await load("tiny-bert", { device: "auto" })).device).toMatch(/^(cpu|cuda:\d+)$/);
  });

  it("takes a number of threads that a process can have", async () => {
    await expectError(load("tiny-bert", { threads: 100_000 }), "ERR_INVALID_ARGUMENT", "threads");
  });

  it("of one kernel size is what fine-tune takes", async () => {
    await expectError(
      load("tiny-bert", { variant: "fine-tune", filterSizes: [2, 3] }),
      "ERR_INVALID_ARGUMENT",
      "fine-tune",
    );
  });
});
