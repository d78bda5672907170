import { Tokenizer } from "../../../src/index.cjs";
import { fixture, temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const load = () => Tokenizer.fromPretrained(fixture("tiny-bert"));

describe("the tokenizer", () => {
  it("cuts a text into the longest pieces of its vocabulary", async () => {
    const tokenizer = await load();
    const { ids, tokenTypeIds, specialTokensMask, truncated } =
      tokenizer.encode("Unlovable MOVIES, éh?");
    expect(tokenizer.tokens(ids).join(" ")).toBe(
      "[CLS] un ##l ##o ##v ##able movie ##s , e ##h ? [SEP]",
    );
    expect(tokenTypeIds).toEqual(new Int32Array(ids.length));
    expect(specialTokensMask).toEqual(Uint8Array.from(ids, (id) => (id === 2 || id === 3 ? 1 : 0)));
    expect(truncated).toBe(false);
  });

  it("says where in the text each token comes from, in UTF-16 units", async () => {
    const tokenizer = await load();
    const text = "😀 good Éa";
    const { ids, offsets } = tokenizer.encode(text, { addSpecialTokens: false });
    const spans = Array.from(ids, (_, i) => text.slice(offsets[2 * i], offsets[2 * i + 1]));
    expect(spans).toEqual(["😀", "good", "É", "a"]);
  });

  it("takes pairs and keeps to maxLength", async () => {
    const tokenizer = await load();
    const pair = tokenizer.encode("good movie", { textPair: "bad" });
    expect(tokenizer.decode(pair.ids)).toBe("[CLS] good movie [SEP] bad [SEP]");
    expect(pair.tokenTypeIds).toEqual(Int32Array.of(0, 0, 0, 0, 1, 1));
    const cut = tokenizer.encode("good movie good movie", { maxLength: 4 });
    expect(cut.truncated).toBe(true);
    expect(tokenizer.decode(cut.ids)).toBe("[CLS] good movie [SEP]");
  });

  it("cuts the text of a pair that is named", async () => {
    const tokenizer = await load();
    const cut = (truncation: "longest_first" | "only_first" | "only_second") => {
      const options = { textPair: "bad bad bad", maxLength: 7, truncation };
      return tokenizer.decode(tokenizer.encode("good good good", options).ids);
    };
    expect(cut("longest_first")).toBe("[CLS] good good [SEP] bad bad [SEP]");
    expect(cut("only_first")).toBe("[CLS] good [SEP] bad bad bad [SEP]");
    expect(cut("only_second")).toBe("[CLS] good good good [SEP] bad [SEP]");
  });

  it("leaves out what is not asked for", async () => {
    const tokenizer = await load();
    const options = { returnOffsets: false, returnTokenTypeIds: false };
    const bare = { offsets: new Int32Array(0), tokenTypeIds: new Int32Array(0) };
    const expected = { ...tokenizer.encode("good movie"), ...bare };
    expect(tokenizer.encode("good movie", options)).toEqual(expected);
    expect(await tokenizer.encodeBatch(["good movie"], options)).toEqual([expected]);
  });

  it("pads a batch to its longest text or to maxLength", async () => {
    const tokenizer = await load();
    const [first, second] = await tokenizer.encodeBatch(["good", "good movie"], { padding: true });
    const pad = tokenizer.tokenToId("[PAD]")!;
    expect(first!.ids).toEqual(Int32Array.of(...tokenizer.encode("good").ids, pad));
    expect(first!.attentionMask).toEqual(Int32Array.of(1, 1, 1, 0));
    expect(first!.specialTokensMask).toEqual(Uint8Array.of(1, 0, 1, 1));
    expect(first!.offsets).toEqual(Int32Array.of(0, 0, 0, 4, 0, 0, 0, 0));
    expect(second).toEqual(tokenizer.encode("good movie"));
    const options = { padding: "max_length" } as const;
    const lengths = async (maxLength?: number) =>
      (await tokenizer.encodeBatch(["", "good movie"], { ...options, maxLength })).map(
        ({ ids }) => ids.length,
      );
    expect(await lengths(3)).toEqual([3, 3]);
    expect(await lengths()).toEqual([32, 32]);
  });

  it("encodes many as it encodes each", async () => {
    const tokenizer = await load();
    const texts = ["good", "", "bad movie !", "\ud800"];
    const encodings = await tokenizer.encodeBatch(texts);
    expect(encodings).toEqual(texts.map((text) => tokenizer.encode(text)));
    const pairs = ["a", "b", "", "d"];
    expect(await tokenizer.encodeBatch(texts, { textPairs: pairs, maxLength: 5 })).toEqual(
      texts.map((text, i) => tokenizer.encode(text, { textPair: pairs[i]!, maxLength: 5 })),
    );
    expect(await tokenizer.encodeBatch([])).toEqual([]);
  });

  it("leaves special tokens out on request, and ids that are not in the vocabulary", async () => {
    const tokenizer = await load();
    const { ids } = tokenizer.encode("a good movie");
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe("a good movie");
    expect(tokenizer.decode([9999])).toBe("");
  });

  it("knows its vocabulary", async () => {
    const tokenizer = await load();
    expect(tokenizer.modelMaxLength).toBe(32);
    expect(tokenizer.tokenToId("[CLS]")).toBe(2);
    expect(tokenizer.idToToken(2)).toBe("[CLS]");
    expect(tokenizer.tokenToId("no such token")).toBeNull();
    expect(tokenizer.idToToken(9999)).toBeNull();
  });

  it("needs its files", async () => {
    await expectError(
      Tokenizer.fromPretrained(await temporaryFolder()),
      "ERR_FILE_NOT_FOUND",
      "vocab.txt",
    );
  });
});
