import { cp, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import type { BertCnn, Freeze } from "../../../src/index.cjs";
import { fixture, load, temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";
import { readSafetensors } from "../support/safetensors.cjs";

// Three layers, kernel sizes 1, 2 and 7, three scores.
const name = "tiny-max-over-time";
const batch = {
  texts: ["a good movie", "great", "very bad plot", "awful , awful"],
  labels: [
    [1, 0, 2],
    [0, 1, -1],
    [3, 1, 0],
    [-2, 0, 1],
  ],
};
const weightsOf = (file: string) =>
  new Map([...readSafetensors(file)].map(([key, { data }]) => [key, data]));
const source = weightsOf(path.join(fixture(name), "model.safetensors"));

/** The names of the weights that differ from the fixture's. */
async function changed(model: BertCnn): Promise<string[]> {
  const file = path.join(await temporaryFolder(), "weights.safetensors");
  await model.saveStateDict(file);
  return [...weightsOf(file)]
    .filter(([key, data]) => Buffer.compare(Buffer.from(data.buffer), bytes(key)) !== 0)
    .map(([key]) => key);
}
const bytes = (key: string) => Buffer.from(source.get(key)!.buffer);
const names = [...source.keys()].filter((key) => !key.startsWith("bert.pooler."));
const but = (...prefixes: string[]) =>
  names.filter((key) => !prefixes.some((p) => key.startsWith(p)));
const layer = (number: number) => `bert.encoder.layer.${String(number)}.`;

async function take(model: BertCnn, steps: number): Promise<number[]> {
  const losses = [];
  for (let i = 0; i < steps; i++) losses.push((await model.trainStep(batch)).loss);
  return losses;
}

describe("freeze", () => {
  it.each<[Freeze, readonly string[]]>([
    ["none", names],
    ["encoder", but("bert.")],
    ["embeddings", but("bert.embeddings.")],
    [0, but("bert.embeddings.")],
    [2, but("bert.embeddings.", layer(0), layer(1))],
    [3, but("bert.")],
    [["bert.encoder.layer.1.*", "convs.0.*"], but(layer(1), "convs.0.")],
    [["*.bias"], names.filter((key) => !key.endsWith(".bias"))],
  ])("%j: a step changes all else and nothing of it", async (freeze, trained) => {
    const model = await load(name, { freeze });
    expect(model.config.bert_cnn.freeze).toEqual(freeze);
    model.configureTraining({ learningRate: 1e-3 });
    await take(model, 2);
    expect((await changed(model)).sort()).toEqual([...trained].sort());
  });

  it.each<[Freeze, string]>([
    [4, "from 0 to 3"],
    [["bert.encoder.layer.3.*"], "'bert.encoder.layer.3.*'"],
    [["convs.*", "fc"], "'fc'"],
    [["*"], "left to train"],
    [["bert.*", "convs.*", "fc.*"], "left to train"],
  ])("%j is refused", async (freeze, message) => {
    await expectError(load(name, { freeze }), "ERR_INVALID_ARGUMENT", message);
  });

  it.each<[unknown, string]>([
    ["half", "'half'"],
    [9, "from 0 to 3"],
    [["no.*"], "'no.*'"],
    [{ layers: 1 }, "layers"],
  ])("that cannot be in config.json is refused: %j", async (freeze, message) => {
    const folder = await temporaryFolder();
    await cp(fixture(name), folder, { recursive: true });
    const file = path.join(folder, "config.json");
    const config = JSON.parse(await readFile(file, "utf8")) as { bert_cnn: object };
    await writeFile(file, JSON.stringify({ ...config, bert_cnn: { ...config.bert_cnn, freeze } }));
    await expectError(load(folder), "ERR_INVALID_CONFIG", "freeze", message);
    await expect(load(folder, { freeze: 1 })).resolves.toBeDefined();
  });
});

describe("setFreeze", () => {
  it("says what the steps that follow change", async () => {
    const model = await load(name, { freeze: "encoder" });
    model.configureTraining({ learningRate: 1e-3 });
    await take(model, 1);
    expect((await changed(model)).sort()).toEqual(but("bert.").sort());
    await model.setFreeze(2);
    await take(model, 1);
    expect((await changed(model)).sort()).toEqual(
      but("bert.embeddings.", layer(0), layer(1)).sort(),
    );
    await model.setFreeze("none");
    await take(model, 1);
    expect((await changed(model)).sort()).toEqual([...names].sort());
  });

  it("takes its turn between the steps", async () => {
    const model = await load(name, { freeze: "none" });
    model.configureTraining({ learningRate: 1e-3 });
    const first = model.setFreeze(["bert.*", "convs.*"]);
    const step = model.trainStep(batch);
    const second = model.setFreeze("none");
    await Promise.all([first, step, second]);
    expect((await changed(model)).sort()).toEqual(["fc.bias", "fc.weight"]);
    expect(model.config.bert_cnn.freeze).toBe("none");
  });

  it("leaves the optimizer's state of what stays trained as it was", async () => {
    const run = async (...freezes: Freeze[]) => {
      const model = await load(name, { freeze: 1, seed: 4 });
      model.configureTraining({ learningRate: 1e-3 });
      await take(model, 3);
      for (const freeze of freezes) await model.setFreeze(freeze);
      return take(model, 3);
    };
    const undisturbed = await run();
    expect(await run(1)).toEqual(undisturbed);
    expect(await run("embeddings", 1)).toEqual(undisturbed);
    // Frozen in between: its moments begin anew, the encoder's layers stay.
    expect(await run(["convs.*", "bert.embeddings.*", "bert.encoder.layer.0.*"], 1)).not.toEqual(
      undisturbed,
    );
  });

  it("is there before the optimizer is, and is saved with the model", async () => {
    const model = await load(name, { freeze: "none" });
    const patterns = ["bert.*", "convs.1.*"];
    await model.setFreeze(patterns);
    expect(model.config.bert_cnn.freeze).toEqual(patterns);
    const folder = path.join(await temporaryFolder(), "model");
    await model.savePretrained(folder);
    const again = await load(folder);
    expect(again.config).toEqual(model.config);
    again.configureTraining();
    await take(again, 1);
    expect((await changed(again)).sort()).toEqual(but("bert.", "convs.1.").sort());
  });

  it("that is refused changes nothing", async () => {
    const model = await load(name, { freeze: "encoder", dropout: 0 });
    model.configureTraining();
    await expectError(model.setFreeze(["bert.nothing"]), "ERR_INVALID_ARGUMENT", "'bert.nothing'");
    await expectError(model.setFreeze(["*"]), "ERR_INVALID_ARGUMENT", "left to train");
    await expectError(model.setFreeze(4), "ERR_INVALID_ARGUMENT", "from 0 to 3");
    await expectError(model.setFreeze("head" as Freeze), "ERR_INVALID_ARGUMENT", "freeze");
    expect(model.config.bert_cnn.freeze).toBe("encoder");
    expect((await model.trainStep(batch)).step).toBe(1);
    expect((await changed(model)).sort()).toEqual(but("bert.").sort());
  });

  it("computes frozen layers with the weights that they were trained to", async () => {
    const model = await load(name, { freeze: "none", dropout: 0 });
    model.configureTraining({ learningRate: 1e-3, headLearningRate: 0, weightDecay: 0 });
    await take(model, 3);
    await model.setFreeze("encoder");
    const { logits } = await model.trainStep(batch);
    const predicted = await model.predict(batch.texts);
    logits.data.forEach((logit, i) => {
      expect(Math.abs(logit - predicted.logits.data[i]!)).toBeLessThan(1e-4);
    });
  });

  it("changes what a model that only predicts would save", async () => {
    const model = await load(name, { dtype: "int8", freeze: "encoder" });
    const before = (await model.predict(batch.texts)).logits.data;
    await model.setFreeze("none");
    expect(model.config.bert_cnn.freeze).toBe("none");
    expect((await model.predict(batch.texts)).logits.data).toEqual(before);
  });
});
