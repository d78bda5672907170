import { readFile } from "node:fs/promises";
import path from "node:path";

import { Dataset, Tensor, Tokenizer, type BertCnnOptions } from "../../../src/index.cjs";
import {
  expectClose,
  fixture,
  load,
  temporaryFolder,
  texts as manyTexts,
} from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const options: BertCnnOptions = { labels: ["bad", "good"], seed: 3, maxLength: 12 };
const short = ["a good movie", "bad"];
const long = Array.from({ length: 30 }, (_, i) => manyTexts(20)[i % 20]).join(" ");

describe("longText: window", () => {
  it("gives a text that fits exactly what truncating gives", async () => {
    const windows = await load("tiny-bert", { ...options, longText: "window" });
    const truncated = await load("tiny-bert", options);
    const [a, b] = [await windows.predict(short), await truncated.predict(short)];
    expect(a.logits.data).toEqual(b.logits.data);
    expect([...a.truncated]).toEqual([0, 0]);
  });

  it("reads what lies behind the first window, and truncates nothing", async () => {
    const windows = await load("tiny-bert", { ...options, longText: "window" });
    const truncated = await load("tiny-bert", options);
    // The end of a text decides: only windows see it.
    const [one, other] = [`${long} great`, `${long} awful awful awful`];
    const seen = await windows.predict([one, other, "a good movie"]);
    expect([...seen.truncated]).toEqual([0, 0, 0]);
    expect(seen.logits.data[0]).not.toBe(seen.logits.data[2]);
    const cut = await truncated.predict([one, other]);
    expect([...cut.truncated]).toEqual([1, 1]);
    expect(cut.logits.data[0]).toBe(cut.logits.data[2]);
    for (const [i, text] of [one, other, "a good movie"].entries()) {
      const alone = await windows.predict(text);
      expectClose(alone.logits.data, seen.logits.data.slice(2 * i, 2 * i + 2));
    }
  });

  it("takes token ids of any number, whose first and last token frame each window", async () => {
    const model = await load("tiny-bert", { ...options, longText: "window" });
    const tokenizer = await Tokenizer.fromPretrained(fixture("tiny-bert"));
    const { ids } = tokenizer.encode(long);
    const expected = await model.predict(long);
    const inputIds = new Tensor("int32", Int32Array.from(ids), [1, ids.length]);
    const { logits } = await model.predict({ inputIds });
    expectClose(logits.data, expected.logits.data);
  });

  it.each(["frozen", "max-over-time"] as const)("learns from whole texts: %s", async (variant) => {
    const model = await load("tiny-bert", {
      ...{ ...options, longText: "window", variant, dropout: 0, hiddenDropout: 0 },
      attentionDropout: 0,
    });
    model.configureTraining({ learningRate: 1e-3, headLearningRate: 2e-2 });
    const batch = { texts: [`${long} great`, `${long} awful awful`], labels: ["good", "bad"] };
    const losses: number[] = [];
    for (let i = 0; i < 60; i++) losses.push((await model.trainStep(batch)).loss);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 4);
  });

  it("trains on cached windows as on computed ones", async () => {
    const batch = { texts: [long, ...short], labels: ["good", "bad", "bad"] };
    const losses: number[][] = [];
    for (const featureCache of [undefined, {}]) {
      const model = await load("tiny-bert", { ...options, longText: "window", dropout: 0 });
      model.configureTraining({ headLearningRate: 1e-2, featureCache });
      const run: number[] = [];
      for (let i = 0; i < 3; i++) run.push((await model.trainStep(batch)).loss);
      losses.push(run);
      if (featureCache) expect(model.stats().featureCache.hits).toBeGreaterThan(20);
    }
    expectClose(losses[1]!, losses[0]!);
  });

  it("is fitted, evaluated and explained", async () => {
    const rows = Array.from({ length: 12 }, (_, i) => ({
      text: `${long} ${i % 2 ? "great" : "awful awful"}`,
      label: i % 2 ? "good" : "bad",
    }));
    const model = await load("tiny-bert", { ...options, longText: "window", dropout: 0 });
    const data = Dataset.from(rows);
    const { evaluation } = await model.fit(data, {
      ...{ evalDataset: data, epochs: 15, batchSize: 6, headLearningRate: 2e-2 },
    });
    expect(evaluation!.metrics).toMatchObject({ accuracy: 1 });
    const [explanation] = await model.explain([rows[0]!.text]);
    expect(explanation!.truncated).toBe(false);
    const tokens = explanation!.tokens!;
    expect(tokens.length).toBeGreaterThan(100);
    const sum = explanation!.ngrams.reduce((total, { contribution }) => total + contribution, 0);
    expect(sum + explanation!.bias).toBeCloseTo(explanation!.logit, 6);
    const last = tokens.at(-2)!; // before [SEP]
    expect(rows[0]!.text.slice(last.start, last.end)).toBe("awful");
  });

  it("is saved with the model", async () => {
    const directory = path.join(await temporaryFolder(), "saved");
    const model = await load("tiny-bert", { ...options, longText: "window", windowOverlap: 4 });
    await model.savePretrained(directory);
    const text = await readFile(path.join(directory, "config.json"), "utf8");
    const config = JSON.parse(text) as { bert_cnn: object };
    const section = { long_text: "window", window_overlap: 4, window_length: 12 };
    expect(config.bert_cnn).toMatchObject(section);
    const again = await load(directory);
    expect(again.maxLength).toBe(12);
    const other = await load(directory, { maxLength: 5 });
    expect(other.config.bert_cnn.window_overlap).toBeUndefined();
    const [a, b] = [await model.predict(long), await again.predict(long)];
    expect(b.logits.data).toEqual(a.logits.data);
    const cut = await load(directory, { maxLength: 12, longText: "truncate" });
    expect([...(await cut.predict(long)).truncated]).toEqual([1]);
  });

  it.each<[BertCnnOptions, string]>([
    [{ longText: "windows" as "window" }, "options.longText"],
    [{ windowOverlap: 4 }, "windowOverlap has an effect only with longText: 'window'"],
    [{ longText: "window", windowOverlap: 10 }, "from 0 to 9 for windowOverlap"],
    [{ longText: "window", maxLength: 2 }, "3 or more for maxLength"],
    [{ longText: "window", padding: "include" }, "padding 'ignore'"],
  ])("%j is refused", async (wrong, message) => {
    await expectError(load("tiny-bert", { ...options, ...wrong }), "ERR_INVALID_ARGUMENT", message);
  });
});
