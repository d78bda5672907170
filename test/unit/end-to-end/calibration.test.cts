import { cp, readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import { BertCnn, type Calibration } from "../../../src/index.cjs";
import { fixture, load, temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const classes = "tiny-frozen";
const rows = ["a good movie", "great", "very bad plot", "awful , awful"];
const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));

/** All scores of each row in the order of the model's labels. */
async function scoresOf(model: BertCnn): Promise<number[][]> {
  const ranked = await model.classify(rows, { topK: null });
  return ranked.map((row) =>
    model.labels.map((name) => row.find(({ label }) => label === name)!.score),
  );
}

/** softmax(logits / temperature) of each row. */
async function softmaxes(model: BertCnn, temperature: number): Promise<number[][]> {
  const { logits } = await model.predict(rows);
  const width = model.labels.length;
  return rows.map((_, row) => {
    const powers = Array.from(logits.data.subarray(row * width, (row + 1) * width), (logit) =>
      Math.exp(logit / temperature),
    );
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / sum);
  });
}

function expectNear(actual: number[][], expected: number[][]): void {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  expected.forEach((row, i) => {
    row.forEach((value, k) => {
      expect(actual[i]![k]).toBeCloseTo(value, 6);
    });
  });
}

const multi = () => load(classes, { problemType: "multi_label_classification" });

describe("a calibrated model", () => {
  it("has scores of logits / temperature, also where it is loaded again", async () => {
    const model = await load(classes);
    const before = await model.predict(rows);
    expectNear(await scoresOf(model), await softmaxes(model, 1));
    await model.setCalibration({ temperature: 2.5 });
    expect(model.config.bert_cnn.temperature).toBe(2.5);
    const folder = path.join(await temporaryFolder(), "model");
    await model.savePretrained(folder);
    const again = await load(folder);
    expect(again.config).toEqual(model.config);
    for (const one of [model, again]) {
      expectNear(await scoresOf(one), await softmaxes(one, 2.5));
      const { logits, probabilities } = await one.predict(rows);
      expect(logits.data).toEqual(before.logits.data);
      expect(probabilities!.data).toEqual(before.probabilities!.data);
    }
  });

  it("gives the labels that reach their thresholds, and the best with topK", async () => {
    const model = await multi();
    const { logits } = await model.predict(rows[0]!);
    const shares = Array.from(logits.data, (logit) => sigmoid(logit / 0.5));
    // The first label just reaches its threshold, the others just do not.
    const thresholds = shares.map((share, i) => share + (i === 0 ? -1e-4 : 1e-4));
    await model.setCalibration({ temperature: 0.5, thresholds });
    const [row] = await model.classify(rows[0]!);
    expect(row!.map(({ label }) => label)).toEqual([model.labels[0]]);
    expect(row![0]!.score).toBeCloseTo(shares[0]!, 6);
    const all = await model.classify(rows[0]!, { topK: null });
    expect(all[0]).toHaveLength(model.labels.length);
    await model.setCalibration({ thresholds: thresholds.map(() => 0.9999) });
    expect(await model.classify(rows[0]!)).toEqual([[]]);
    await model.setCalibration(null);
    expect((await model.classify(rows[0]!))[0]).toHaveLength(1);
    expect(model.config.bert_cnn).not.toHaveProperty("thresholds");
  });

  it("has each batch by itself calibrated, too", async () => {
    const model = await load(classes, { padding: "include" });
    await model.setCalibration({ temperature: 3 });
    expectNear(await scoresOf(model), await softmaxes(model, 3));
  });

  it("is calibrated for every handle, from the call's turn on", async () => {
    const model = await load(classes);
    const other = BertCnn.fromShared(model.share());
    try {
      const [sharp, flat] = [await softmaxes(model, 1), await softmaxes(model, 4)];
      const before = scoresOf(other);
      const setting = model.setCalibration({ temperature: 4 });
      const after = scoresOf(other);
      expectNear(await before, sharp);
      expectNear(await after, flat);
      await setting;
    } finally {
      await other.dispose();
    }
  });

  it.each<[unknown, string]>([
    [{ temperature: 0 }, "temperature"],
    [{ temperature: "warm" }, "temperature"],
    [{ thresholds: [0.5] }, "multi_label_classification"],
    [{ thresholds: 0.5 }, "thresholds"],
  ])("is refused with %j in config.json", async (calibration, message) => {
    const folder = await temporaryFolder();
    await cp(fixture(classes), folder, { recursive: true });
    const file = path.join(folder, "config.json");
    const config = JSON.parse(await readFile(file, "utf8")) as { bert_cnn: object };
    const section = { ...config.bert_cnn, ...(calibration as Calibration) };
    await writeFile(file, JSON.stringify({ ...config, bert_cnn: section }));
    await expectError(load(folder), "ERR_INVALID_CONFIG", "config.json", message);
  });
});
