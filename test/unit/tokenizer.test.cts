import { Tokenizer } from "../../src/index.cjs";
import { replaceNativeModule } from "../../src/native-module.cjs";
import type { NativeEncodings } from "../../src/native.cjs";
import { FakeNative, nativeError } from "./support/fake-native.cjs";
import { errorOf, expectError } from "./support/rejection.cjs";

const encoding: NativeEncodings = {
  lengths: Int32Array.of(3),
  ids: Int32Array.of(2, 9, 3),
  typeIds: Int32Array.of(0, 0, 0),
  specialTokensMask: Uint8Array.of(1, 0, 1),
  offsets: Int32Array.of(0, 0, 0, 5, 0, 0),
  truncated: Uint8Array.of(1),
};
const twoEncodings: NativeEncodings = {
  lengths: Int32Array.of(1, 2),
  ids: Int32Array.of(5, 6, 7),
  typeIds: Int32Array.of(0, 1, 0),
  specialTokensMask: Uint8Array.of(1, 0, 1),
  offsets: Int32Array.of(0, 1, 2, 3, 4, 5),
  truncated: Uint8Array.of(0, 1),
};
let native: FakeNative;

const load = () => Tokenizer.fromPretrained(__dirname);

beforeEach(() => {
  native = new FakeNative();
  native.tokenizer = {
    encode: jest.fn(() => encoding),
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

it("a tokenizer comes from a directory only", async () => {
  await expectError(
    Tokenizer.fromPretrained("bert-base-uncased"),
    "ERR_FILE_NOT_FOUND",
    "Expected a directory",
  );
  await expectError(Tokenizer.fromPretrained(undefined as never), "ERR_INVALID_ARGUMENT", "source");
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
      ids: encoding.ids,
      tokenTypeIds: encoding.typeIds,
      specialTokensMask: encoding.specialTokensMask,
      offsets: encoding.offsets,
      truncated: true,
    });
    expect(result.ids).not.toBe(encoding.ids);
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
    const result = await (await load()).encodeBatch(["a", "b"], { textPairs: ["c", "d"] });
    expect(native.tokenizer.encodeBatch).toHaveBeenCalledWith(["a", "b"], ["c", "d"], {});
    expect(result).toEqual([
      {
        ids: Int32Array.of(5),
        tokenTypeIds: Int32Array.of(0),
        specialTokensMask: Uint8Array.of(1),
        offsets: Int32Array.of(0, 1),
        truncated: false,
      },
      {
        ids: Int32Array.of(6, 7),
        tokenTypeIds: Int32Array.of(1, 0),
        specialTokensMask: Uint8Array.of(0, 1),
        offsets: Int32Array.of(2, 3, 4, 5),
        truncated: true,
      },
    ]);
  });

  it("lets the event loop turn while many results are split", async () => {
    const texts = 2000;
    const zeros = new Int32Array(texts);
    const bytes = new Uint8Array(texts);
    native.tokenizer.encodeBatch = () =>
      Promise.resolve({
        lengths: zeros.map(() => 1),
        ids: zeros.map((_, i) => i),
        typeIds: zeros,
        specialTokensMask: bytes,
        offsets: new Int32Array(2 * texts),
        truncated: bytes,
      });
    const encodings = (await load()).encodeBatch(Array.from({ length: texts }, () => "a"));
    let turns = 0;
    const count = () => {
      turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    const result = await encodings;
    clearImmediate(next);
    expect(result.map(({ ids }) => ids[0])).toEqual(Array.from(zeros, (_, i) => i));
    expect(turns).toBeGreaterThan(0);
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
