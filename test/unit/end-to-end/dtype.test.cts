import { cp, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import { BertCnnError, type BertCnn, type Dtype } from "../../../src/index.cjs";
import { fixture, load, temporaryFolder, texts } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";
import { readSafetensors } from "../support/safetensors.cjs";

const logits = async (model: BertCnn) => (await model.predict(texts(30))).logits.data;

/** Pearson's correlation. */
function correlation(a: Float32Array, b: Float32Array): number {
  const centred = (x: Float32Array) => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    return [...x].map((value) => value - mean);
  };
  const [p, q] = [centred(a), centred(b)];
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(p, q) / Math.sqrt(dot(p, p) * dot(q, q));
}

/** Where a tensor's bytes start in a safetensors file. */
function placeOf(bytes: Buffer, name: string): number {
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + length)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  return 8 + length + header[name]!.data_offsets[0];
}

/** The precisions that this processor has, and whether bfloat16 is one of them. */
async function available(): Promise<Dtype[]> {
  try {
    await load("tiny-frozen", { dtype: "bfloat16" });
    return ["bfloat16", "int8"];
  } catch (error) {
    expect(error).toBeInstanceOf(BertCnnError);
    expect(error).toMatchObject({ code: "ERR_DTYPE_UNAVAILABLE" });
    return ["int8"];
  }
}

describe("dtype", () => {
  it("gives nearly float32's logits in the others", async () => {
    for (const name of ["tiny-frozen", "tiny-fine-tune", "tiny-max-over-time"]) {
      const expected = await logits(await load(name));
      for (const dtype of await available()) {
        const model = await load(name, { dtype });
        expect(model.dtype).toBe(dtype);
        const actual = await logits(model);
        expect(actual).not.toEqual(expected); // it does compute otherwise
        expect(correlation(actual, expected)).toBeGreaterThan(0.99);
      }
    }
  });

  it("is chosen by auto, which tells what it chose", async () => {
    const model = await load("tiny-frozen", { dtype: "auto" });
    const expected = (await available()).includes("bfloat16") ? "bfloat16" : "float32";
    expect(model.dtype).toBe(expected);
    expect(await logits(model)).toEqual(
      await logits(await load("tiny-frozen", { dtype: expected })),
    );
  });

  it("serves padding: include, too", async () => {
    const expected = await logits(await load("tiny-frozen", { padding: "include" }));
    for (const dtype of await available()) {
      const actual = await logits(await load("tiny-frozen", { padding: "include", dtype }));
      expect(correlation(actual, expected)).toBeGreaterThan(0.99);
    }
  });

  it("does not change what is saved", async () => {
    const source = readSafetensors(path.join(fixture("tiny-frozen"), "model.safetensors"));
    for (const dtype of ["float32", ...(await available())] as Dtype[]) {
      const model = await load("tiny-frozen", { dtype });
      const before = await logits(model);
      const file = path.join(await temporaryFolder(), "weights.safetensors");
      await model.saveStateDict(file);
      const saved = readSafetensors(file);
      for (const [name, tensor] of source) expect(saved.get(name)).toEqual(tensor);
      expect(await logits(model)).toEqual(before);
    }
  });

  it("refuses to save where the source has other weights by then, and goes on predicting", async () => {
    const folder = path.join(await temporaryFolder(), "model");
    await cp(fixture("tiny-frozen"), folder, { recursive: true });
    const model = await load(folder, { dtype: "int8" });
    const before = await logits(model);
    const file = path.join(await temporaryFolder(), "weights.safetensors");
    const weights = path.join(folder, "model.safetensors");
    const bytes = await readFile(weights);
    // One bit of the last weight of the encoder's first product.
    const offset = placeOf(bytes, "bert.encoder.layer.0.attention.self.query.weight");
    await writeFile(weights, Buffer.from(bytes).fill(bytes[offset]! ^ 1, offset, offset + 1));
    await expectError(model.saveStateDict(file), "ERR_CHECKPOINT_MISMATCH", "other weights now");
    await rm(weights);
    await expectError(model.saveStateDict(file), "ERR_FILE_NOT_FOUND", folder);
    await writeFile(weights, "x");
    await expectError(model.saveStateDict(file), "ERR_CHECKPOINT_FORMAT", folder);
    expect(await logits(model)).toEqual(before);
    await writeFile(weights, bytes);
    await model.saveStateDict(file);
    expect(readSafetensors(file).size).toBeGreaterThan(0);
  });

  it("computes with weights that were loaded later, and saves those", async () => {
    const options = { variant: "max-over-time", labels: ["a", "b"], seed: 1 } as const;
    const other = await load("tiny-bert", options);
    other.configureTraining({ learningRate: 1e-2 });
    await other.trainStep({ texts: ["good", "bad"], labels: ["a", "b"] });
    const file = path.join(await temporaryFolder(), "weights.safetensors");
    await other.saveStateDict(file);
    for (const dtype of ["float32", ...(await available())] as Dtype[]) {
      const model = await load("tiny-bert", { ...options, seed: 2, dtype });
      await model.loadStateDict(file);
      expect(correlation(await logits(model), await logits(other))).toBeGreaterThan(0.99);
      const saved = path.join(await temporaryFolder(), "again.safetensors");
      await model.saveStateDict(saved);
      expect(readSafetensors(saved)).toEqual(readSafetensors(file));
    }
  });

  it("of float32 or bfloat16 can be trained, the encoder too, and predicts with the new weights", async () => {
    for (const dtype of ["float32", ...(await available())] as Dtype[]) {
      if (dtype === "int8") continue;
      for (const variant of ["frozen", "max-over-time"] as const) {
        const model = await load("tiny-bert", { variant, dtype, seed: 3, labels: ["a", "b"] });
        const before = await logits(model);
        model.configureTraining({ learningRate: 1e-2, headLearningRate: 1e-2 });
        await model.trainStep({ texts: ["good", "bad"], labels: ["a", "b"] });
        const after = await logits(model);
        expect(after).not.toEqual(before);
        // A model that is loaded with those weights agrees: nothing old is left in what was packed.
        const folder = path.join(await temporaryFolder(), "model");
        await model.savePretrained(folder);
        expect(await logits(await load(folder, { dtype }))).toEqual(after);
        await model.trainStep({ texts: ["good", "bad"], labels: ["a", "b"] });
        expect(await logits(model)).not.toEqual(after);
      }
    }
  });

  it("of training may be another than the model's, where the processor has it", async () => {
    const batch = { texts: ["good", "bad"], labels: [0, 1] };
    const model = await load("tiny-frozen", { dropout: 0 });
    model.configureTraining({ dtype: "bfloat16" });
    if ((await available()).includes("bfloat16")) {
      expect((await model.trainStep(batch)).step).toBe(1);
    } else {
      await expectError(model.trainStep(batch), "ERR_DTYPE_UNAVAILABLE", "Use 'float32'");
      await expectError(model.parameterGroups(), "ERR_DTYPE_UNAVAILABLE", "Use 'float32'");
    }
    model.configureTraining({ dtype: "float32", gradientCheckpointing: true });
    expect((await model.trainStep(batch)).step).toBe(1);
  });

  it("float16 is a CUDA device's", async () => {
    await expectError(
      load("tiny-frozen", { dtype: "float16", device: "cpu" }),
      "ERR_DTYPE_UNAVAILABLE",
      "only on CUDA",
    );
  });

  it("int8 is not trained", async () => {
    const model = await load("tiny-frozen", { dtype: "int8" });
    model.configureTraining();
    await expectError(
      model.trainStep({ texts: ["good"], labels: [0] }),
      "ERR_INVALID_ARGUMENT",
      "float32",
    );
    expect((await logits(model)).every(Number.isFinite)).toBe(true);
  });
});
