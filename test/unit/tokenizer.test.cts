import { Tokenizer } from "../../src/index.cjs";
import { replaceNativeModule } from "../../src/native-module.cjs";
import type { NativeEncodings } from "../../src/native.cjs";
import { FakeNative, nativeError } from "./support/fake-native.cjs";
import { errorOf, expectError, reasonOf } from "./support/rejection.cjs";

const ids = [2, 9, 3];
const typeIds = [0, 1, 0];
const offsets = [0, 0, 0, 5, 0, 0];
const mask = [1, 0, 1];
/** As the addon lays encodings out: int32s, then the mask in bytes. */
function pack(integers: number[], bytes: number[]): ArrayBuffer {
  const padding = new Array<number>((4 - (bytes.length % 4)) % 4).fill(0);
  const words = new Uint8Array(Int32Array.from(integers).buffer);
  return Uint8Array.of(...words, ...bytes, ...padding).buffer;
}
function joined(...buffers: ArrayBuffer[]): ArrayBuffer {
  return Uint8Array.from(buffers.flatMap((buffer) => [...new Uint8Array(buffer)])).buffer;
}
const packed = pack([3, 3, 6, 1, ...ids, 1, 1, 1, ...typeIds, ...offsets], mask);
const packedBare = pack([3, 0, 0, 0, ...ids, 1, 1, 1], mask);
const twoEncodings: NativeEncodings[] = [
  joined(
    pack([1, 1, 2, 0, 5, 1, 0, 0, 1], [1]),
    pack([2, 2, 4, 1, 6, 7, 1, 0, 1, 0, 2, 3, 4, 5], [0, 1]),
  ),
  pack([0, 0, 0, 0], []),
];
let native: FakeNative;

const load = () => Tokenizer.fromPretrained(__dirname);

beforeEach(() => {
  native = new FakeNative();
  native.tokenizer = {
    encode: jest.fn(() => packed),
    encodeBatch: jest.fn(() => Promise.resolve(twoEncodings)),
    decode: jest.fn(() => "[CLS] hello [SEP]"),
    tokenToId: jest.fn(() => 9),
    idToToken: jest.fn(() => null),
  };
  replaceNativeModule(native);
});

afterEach(() => {
  replaceNativeModule(undefined);
});

it("a tokenizer shows its vocabulary's size and its own limit", async () => {
  expect(await load()).toMatchObject({ vocabSize: 97, modelMaxLength: null });
});

it("a tokenizer comes from a directory or an id", async () => {
  await expectError(
    Tokenizer.fromPretrained("./bert-base-uncased"),
    "ERR_FILE_NOT_FOUND",
    "Expected a directory",
  );
  await expectError(Tokenizer.fromPretrained(undefined as never), "ERR_INVALID_ARGUMENT", "source");
  const signal = AbortSignal.abort("no");
  expect(await reasonOf(Tokenizer.fromPretrained(__dirname, { signal }))).toBe("no");
});

describe("encode", () => {
  it("gives arrays of its own under the public names", async () => {
    const tokenizer = await load();
    const result = tokenizer.encode("hello", { maxLength: 3, addSpecialTokens: true });
    expect(native.tokenizer.encode).toHaveBeenCalledWith("hello", null, {
      maxLength: 3,
      addSpecialTokens: true,
    });
    expect(result).toEqual({
      ids: Int32Array.from(ids),
      attentionMask: Int32Array.of(1, 1, 1),
      tokenTypeIds: Int32Array.from(typeIds),
      specialTokensMask: Uint8Array.from(mask),
      offsets: Int32Array.from(offsets),
      truncated: true,
    });
  });

  it("leaves out what is not asked for", async () => {
    native.tokenizer.encode = jest.fn(() => packedBare);
    const options = { returnOffsets: false, returnTokenTypeIds: false };
    const result = (await load()).encode("hello", options);
    expect(native.tokenizer.encode).toHaveBeenCalledWith("hello", null, options);
    expect(result).toEqual({
      ids: Int32Array.from(ids),
      attentionMask: Int32Array.of(1, 1, 1),
      tokenTypeIds: new Int32Array(0),
      specialTokensMask: Uint8Array.from(mask),
      offsets: new Int32Array(0),
      truncated: false,
    });
  });

  it("hands the strategy of truncation on", async () => {
    const options = { maxLength: 8, truncation: "only_second" } as const;
    (await load()).encode("hello", { textPair: "you", ...options });
    expect(native.tokenizer.encode).toHaveBeenCalledWith("hello", "you", options);
  });

  it("takes a second text", async () => {
    (await load()).encode("hello", { textPair: "" });
    expect(native.tokenizer.encode).toHaveBeenCalledWith("hello", "", {});
  });

  it("refuses what is no text and what is no option", async () => {
    const tokenizer = await load();
    await expectError(
      () => tokenizer.encode(3 as never),
      "ERR_INVALID_ARGUMENT",
      "string for text",
    );
    await expectError(
      () => tokenizer.encode("a", { maxLen: 3 } as object),
      "ERR_INVALID_ARGUMENT",
      "'maxLen'",
    );
    await expectError(
      () => tokenizer.encode("a", { maxLength: 0 }),
      "ERR_INVALID_ARGUMENT",
      "options.maxLength",
    );
    await expectError(
      () => tokenizer.encode("a", { truncation: "longest" as never }),
      "ERR_INVALID_ARGUMENT",
      "options.truncation",
      "only_first",
    );
    await expectError(
      () => tokenizer.encode("a", { padding: true } as object),
      "ERR_INVALID_ARGUMENT",
      "'padding'",
    );
  });

  it("gives the addon's error its class", async () => {
    native.tokenizer.encode = () => {
      throw nativeError("ERR_INVALID_ARGUMENT", "maxLength is too small");
    };
    const tokenizer = await load();
    expect((await errorOf(() => tokenizer.encode("a"))).message).toBe("maxLength is too small");
  });
});

describe("encodeBatch", () => {
  it("gives an encoding for each text", async () => {
    const result = await (
      await load()
    ).encodeBatch(["a", "b", ""], {
      textPairs: ["c", "d", ""],
    });
    expect(native.tokenizer.encodeBatch).toHaveBeenCalledWith(["a", "b", ""], ["c", "d", ""], {});
    expect(result).toEqual([
      {
        ids: Int32Array.of(5),
        attentionMask: Int32Array.of(1),
        tokenTypeIds: Int32Array.of(0),
        specialTokensMask: Uint8Array.of(1),
        offsets: Int32Array.of(0, 1),
        truncated: false,
      },
      {
        ids: Int32Array.of(6, 7),
        attentionMask: Int32Array.of(1, 0),
        tokenTypeIds: Int32Array.of(1, 0),
        specialTokensMask: Uint8Array.of(0, 1),
        offsets: Int32Array.of(2, 3, 4, 5),
        truncated: true,
      },
      {
        ids: new Int32Array(0),
        attentionMask: new Int32Array(0),
        tokenTypeIds: new Int32Array(0),
        specialTokensMask: new Uint8Array(0),
        offsets: new Int32Array(0),
        truncated: false,
      },
    ]);
  });

  it("lets the event loop turn while many results are split", async () => {
    const texts = 2000;
    const parts = Array.from({ length: texts }, (_, i) => pack([1, 0, 0, 0, i, 1], [0]));
    native.tokenizer.encodeBatch = (some) =>
      Promise.resolve(some.map((text) => parts[Number(text)]!));
    const encodings = (await load()).encodeBatch(
      Array.from({ length: texts }, (_, i) => String(i)),
    );
    let turns = 0;
    const count = () => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const result = await encodings;
    clearImmediate(next);
    expect(result.map(({ ids }) => ids[0])).toEqual(Array.from(parts, (_, i) => i));
    expect(turns).toBeGreaterThan(0);
  });

  it.each([
    [{ padding: true }, { padToLongest: true }],
    [{ padding: "longest" }, { padToLongest: true }],
    [{ padding: false }, {}],
    [
      { padding: "max_length", maxLength: 7 },
      { maxLength: 7, padLength: 7 },
    ],
  ] as const)("tells the addon of %p", async (given, told) => {
    await (await load()).encodeBatch(["a"], given);
    expect(native.tokenizer.encodeBatch).toHaveBeenCalledWith(["a"], null, told);
  });

  it("pads to the tokenizer's own limit where no other is given", async () => {
    const unlimited = await load();
    await expectError(
      unlimited.encodeBatch(["a"], { padding: "max_length" }),
      "ERR_INVALID_ARGUMENT",
      "options.maxLength",
    );
    native.tokenizer = { ...native.tokenizer, modelMaxLength: 32 };
    await (await load()).encodeBatch(["a"], { padding: "max_length" });
    expect(native.tokenizer.encodeBatch).toHaveBeenCalledWith(["a"], null, { padLength: 32 });
    await expectError(
      unlimited.encodeBatch(["a"], { padding: "shortest" as never }),
      "ERR_INVALID_ARGUMENT",
      "options.padding",
    );
  });

  it("hands many texts over in chunks, all at once only to pad to the longest", async () => {
    const tokenizer = await load();
    const texts = Array.from({ length: 2001 }, (_, i) => String(i));
    await tokenizer.encodeBatch([...texts, "x".repeat(1 << 18), "y"], { textPairs: undefined });
    const calls = jest.mocked(native.tokenizer.encodeBatch!).mock.calls;
    expect(calls.map(([chunk]) => chunk.length)).toEqual([1000, 1000, 2, 1]);
    expect(calls.flatMap(([chunk]) => chunk.slice(0, 1))).toEqual(["0", "1000", "2000", "y"]);
    await tokenizer.encodeBatch(texts, { textPairs: texts, padding: true });
    expect(native.tokenizer.encodeBatch).toHaveBeenLastCalledWith(texts, texts, {
      padToLongest: true,
    });
    await tokenizer.encodeBatch(texts, { textPairs: texts });
    expect(native.tokenizer.encodeBatch).toHaveBeenLastCalledWith(["2000"], ["2000"], {});
  });

  it("gives the error of a chunk that fails while others are handed over", async () => {
    native.tokenizer.encodeBatch = () => Promise.reject(nativeError("ERR_OUT_OF_MEMORY", "full"));
    const texts = Array.from({ length: 3000 }, () => "a");
    await expectError((await load()).encodeBatch(texts), "ERR_OUT_OF_MEMORY", "full");
  });

  it("refuses pairs of another number", async () => {
    await expectError(
      (await load()).encodeBatch(["a", "b"], { textPairs: ["c"] }),
      "ERR_INVALID_ARGUMENT",
      "Expected 2 texts in options.textPairs",
      "received 1",
    );
  });

  it("gives the addon's error its class", async () => {
    native.tokenizer.encodeBatch = () => Promise.reject(nativeError("ERR_OUT_OF_MEMORY", "full"));
    await expectError((await load()).encodeBatch(["a"]), "ERR_OUT_OF_MEMORY", "full");
  });
});

describe("decode", () => {
  it("takes an array or an Int32Array", async () => {
    const tokenizer = await load();
    expect(tokenizer.decode([2, 9, 3])).toBe("[CLS] hello [SEP]");
    expect(native.tokenizer.decode).toHaveBeenLastCalledWith(Int32Array.of(2, 9, 3), false);
    tokenizer.decode(Int32Array.of(9), { skipSpecialTokens: true });
    expect(native.tokenizer.decode).toHaveBeenLastCalledWith(Int32Array.of(9), true);
  });

  it.each<[unknown, string]>([
    ["2", "Int32Array or array of ids"],
    [[1, -1], "ids[1]"],
    [[1.5], "ids[0]"],
    [[2 ** 31], "range of int32"],
  ])("refuses %p", async (ids, message) => {
    const tokenizer = await load();
    await expectError(() => tokenizer.decode(ids as never), "ERR_INVALID_ARGUMENT", message);
  });
});

it("tokens and ids are looked up", async () => {
  const tokenizer = await load();
  expect(tokenizer.tokenToId("hello")).toBe(9);
  expect(tokenizer.idToToken(1234)).toBeNull();
  native.tokenizer.idToToken = (id) => (id === 9 ? "hello" : null);
  expect((await load()).tokens([9, 1234])).toEqual(["hello", null]);
  await expectError(
    () => tokenizer.tokenToId(9 as never),
    "ERR_INVALID_ARGUMENT",
    "string for token",
  );
  await expectError(() => tokenizer.idToToken("9" as never), "ERR_INVALID_ARGUMENT", "for id");
});

it("an error while loading has its class", async () => {
  native.loadTokenizer = () => Promise.reject(nativeError("ERR_TOKENIZER_FORMAT", "no vocab.txt"));
  await expectError(load(), "ERR_TOKENIZER_FORMAT", "no vocab.txt");
});
