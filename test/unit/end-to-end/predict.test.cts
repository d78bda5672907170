import { Tensor, Tokenizer, type BertCnn } from "../../../src/index.cjs";
import { expectError } from "../support/rejection.cjs";
import { expectClose, fixture, load, texts } from "../support/models.cjs";

const row = (prediction: { logits: Tensor<"float32"> }, i: number) => {
  const width = prediction.logits.dims[1]!;
  return prediction.logits.data.slice(i * width, (i + 1) * width);
};
const logitsOf = async (model: BertCnn, text: string) => row(await model.predict(text), 0);

describe("predict", () => {
  it("gives logits and probabilities for texts", async () => {
    const model = await load("tiny-frozen");
    const { logits, probabilities, truncated } = await model.predict(["a good movie", "awful"]);
    expect(logits.dims).toEqual([2, 3]);
    expect(probabilities?.dims).toEqual([2, 3]);
    expect(truncated).toEqual(Uint8Array.of(0, 0));
    expect([...logits.data].every(Number.isFinite)).toBe(true);
    for (const i of [0, 1]) {
      const shares = probabilities!.data.slice(3 * i, 3 * i + 3);
      const powers = row({ logits }, i).map(Math.exp);
      const sum = powers.reduce((a, b) => a + b);
      expectClose(
        shares,
        powers.map((power) => power / sum),
      );
    }
  });

  it("gives sigmoids for a multi-label model", async () => {
    const model = await load("tiny-fine-tune");
    const { logits, probabilities } = await model.predict("a good movie");
    expectClose(
      probabilities!.data,
      logits.data.map((logit) => 1 / (1 + Math.exp(-logit))),
    );
  });

  it("gives no probabilities for a regression", async () => {
    const model = await load("tiny-max-over-time");
    expect((await model.predict("a good movie")).probabilities).toBeNull();
  });

  it.each(["tiny-frozen", "tiny-fine-tune", "tiny-max-over-time"])(
    "gives %s's row the same logits alone and among others",
    async (name) => {
      const model = await load(name);
      const rows = texts(40);
      const together = await model.predict(rows);
      for (const [i, text] of rows.entries()) {
        expectClose(row(together, i), await logitsOf(model, text));
      }
    },
  );

  it("takes empty, blank and one-token texts", async () => {
    const model = await load("tiny-frozen");
    const empty = await logitsOf(model, "");
    expect([...empty]).not.toContain(NaN);
    expectClose(await logitsOf(model, " \t\n"), empty);
    const { logits } = await model.predict(["", "a", " "]);
    expect([...logits.data].every(Number.isFinite)).toBe(true);
    expectClose(row({ logits }, 0), empty);
  });

  it("takes lone surrogates, emoji and other scripts", async () => {
    const model = await load("tiny-frozen");
    const broken = await logitsOf(model, "good \ud83d movie");
    expectClose(broken, await logitsOf(model, "good \ufffd movie"));
    const { logits } = await model.predict(["👩‍👩‍👧", "한국어", "\u0000", "é́"]);
    expect([...logits.data].every(Number.isFinite)).toBe(true);
  });

  it("truncates what is over-long and says so", async () => {
    const model = await load("tiny-frozen", { maxLength: 8 });
    expect(model.maxLength).toBe(8);
    const { logits, truncated } = await model.predict([
      "a b c d e f",
      "a b c d e f g",
      "a ".repeat(5000),
    ]);
    expect(truncated).toEqual(Uint8Array.of(0, 1, 1));
    expectClose(row({ logits }, 1), row({ logits }, 0));
  });

  it("of no texts is empty", async () => {
    const model = await load("tiny-frozen");
    const { logits, probabilities, truncated } = await model.predict([]);
    expect([logits.dims, probabilities?.dims, truncated.length]).toEqual([[0, 3], [0, 3], 0]);
  });

  it("gives texts and their tokens the same logits, int32 and int64, padded or not", async () => {
    const model = await load("tiny-frozen");
    const { ids } = (await Tokenizer.fromPretrained(fixture("tiny-frozen"))).encode("a good movie");
    const expected = await logitsOf(model, "a good movie");
    const inputIds = new Tensor("int32", ids, [1, 5]);
    expectClose(row(await model.predict({ inputIds }), 0), expected);
    const long = new Tensor("int64", BigInt64Array.from([...ids, 0, 0], BigInt), [1, 7]);
    const attentionMask = new Tensor("int64", BigInt64Array.of(1n, 1n, 1n, 1n, 1n, 0n, 0n), [1, 7]);
    expectClose(row(await model.predict({ inputIds: long, attentionMask }), 0), expected);
  });

  it.each<[string, number[], number[], string[]]>([
    ["an id outside the vocabulary", [2, 97, 3], [1, 1, 1], ["0 to 96", "97", "row 0", "column 1"]],
    ["a negative id", [2, -1, 3], [1, 1, 1], ["-1", "column 1"]],
    ["a mask that is neither 0 nor 1", [2, 5, 3], [1, 2, 1], ["mask", "column 1"]],
    ["a row without tokens", [2, 5, 3], [0, 0, 0], ["row 0"]],
  ])("refuses %s", async (_, ids, mask, parts) => {
    const model = await load("tiny-frozen");
    const inputIds = new Tensor("int32", Int32Array.from(ids), [1, 3]);
    const attentionMask = new Tensor("int32", Int32Array.from(mask), [1, 3]);
    await expectError(model.predict({ inputIds, attentionMask }), "ERR_INVALID_INPUT", ...parts);
    expect((await model.predict("still works")).logits.dims).toEqual([1, 3]);
  });

  it('refuses a batch shorter than the largest kernel with padding: "include" only', async () => {
    const model = await load("tiny-frozen", { padding: "include" });
    expect(model.config.bert_cnn.padding).toBe("include");
    await expectError(model.predict(["a", "b"]), "ERR_SEQUENCE_TOO_SHORT", "5");
    expect((await model.predict(["a", "a good movie"])).logits.dims).toEqual([2, 3]);
  });
});

describe("classify", () => {
  it("gives the labels that the logits say", async () => {
    const model = await load("tiny-frozen");
    const rows = texts(12);
    const prediction = await model.predict(rows);
    const best = await model.classify(rows);
    for (const i of rows.keys()) {
      const logits = [...row(prediction, i)];
      expect(best[i]).toHaveLength(1);
      expect(best[i]![0]!.label).toBe(model.labels[logits.indexOf(Math.max(...logits))]);
    }
    const all = await model.classify(rows[0]!, { topK: null });
    expect(all[0]!.map(({ label }) => label).sort()).toEqual([...model.labels].sort());
    expect(all[0]!.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 5);
  });

  it("gives the score of a regression", async () => {
    const model = await load("tiny-score");
    const { logits } = await model.predict("a good movie");
    expect(await model.classify("a good movie")).toEqual([
      [{ label: "score", score: logits.data[0] }],
    ]);
  });
});
