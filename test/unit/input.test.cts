import { readInput, readTexts, readTokenBatch } from "../../src/input.cjs";
import { Tensor } from "../../src/tensor.cjs";
import { expectError } from "./support/rejection.cjs";

const ids = (values: number[], dims: number[]) =>
  new Tensor("int32", Int32Array.from(values), dims);
const longIds = (values: bigint[], dims: number[]) =>
  new Tensor("int64", BigInt64Array.from(values), dims);

describe("input", () => {
  it("is one text, texts or tokens", () => {
    expect(readInput("a", "input")).toEqual(["a"]);
    expect(readInput(["a", ""], "input")).toEqual(["a", ""]);
    expect(readInput({ inputIds: ids([1, 2], [1, 2]) }, "input")).toEqual({
      rows: 1,
      length: 2,
      inputIds: Int32Array.of(1, 2),
    });
  });

  it.each([undefined, null, 3, true])("is not %p", async (value) => {
    await expectError(
      () => readInput(value, "input"),
      "ERR_INVALID_ARGUMENT",
      "string, array of strings or token batch",
    );
  });

  it("of classify is text only", async () => {
    expect(readTexts("a", "input")).toEqual(["a"]);
    expect(readTexts(["a"], "input")).toEqual(["a"]);
    const tokens = { inputIds: ids([1], [1, 1]) };
    await expectError(
      () => readTexts(tokens, "input"),
      "ERR_INVALID_ARGUMENT",
      "string or array of strings",
    );
  });
});

describe("a token batch", () => {
  it("is copied, mask and type ids too", () => {
    const inputIds = ids([5, 6, 7, 8], [2, 2]);
    const attentionMask = ids([1, 1, 1, 0], [2, 2]);
    const tokenTypeIds = ids([0, 1, 0, 0], [2, 2]);
    const batch = readTokenBatch({ inputIds, attentionMask, tokenTypeIds }, "input");
    inputIds.data.fill(0);
    attentionMask.data.fill(0);
    tokenTypeIds.data.fill(0);
    expect(batch).toEqual({
      rows: 2,
      length: 2,
      inputIds: Int32Array.of(5, 6, 7, 8),
      attentionMask: Int32Array.of(1, 1, 1, 0),
      tokenTypeIds: Int32Array.of(0, 1, 0, 0),
    });
  });

  it("is copied before another field can change it", async () => {
    const mask = Int32Array.of(1, 1);
    const batch = {
      inputIds: { type: "int32", dims: [1, 2], data: Int32Array.of(5, 6) },
      attentionMask: { type: "int32", dims: [1, 2], data: mask },
      get tokenTypeIds(): undefined {
        if (mask.length > 0) structuredClone(mask.buffer, { transfer: [mask.buffer] });
        return undefined;
      },
    };
    expect(readInput(batch, "input")).toMatchObject({ attentionMask: Int32Array.of(1, 1) });
    await expectError(() => readInput(batch, "input"), "ERR_INVALID_ARGUMENT", "attentionMask");
  });

  it("may hold int64", () => {
    const batch = readTokenBatch({ inputIds: longIds([-1n, 2n ** 31n - 1n], [1, 2]) }, "input");
    expect(batch.inputIds).toEqual(Int32Array.of(-1, 2147483647));
  });

  it.each([2n ** 31n, -(2n ** 31n) - 1n])(
    "names the place of %p, which is out of range",
    async (value) => {
      const inputIds = longIds([1n, 2n, 3n, 4n, 5n, value], [2, 3]);
      await expectError(
        () => readTokenBatch({ inputIds }, "input"),
        "ERR_INVALID_INPUT",
        "input.inputIds[1][2]",
        String(value),
      );
    },
  );

  it("may have no rows", () => {
    expect(readTokenBatch({ inputIds: ids([], [0, 7]) }, "input")).toMatchObject({
      rows: 0,
      length: 7,
    });
  });

  it("is refused with rows of no tokens", async () => {
    await expectError(
      () => readTokenBatch({ inputIds: ids([], [2, 0]) }, "input"),
      "ERR_INVALID_INPUT",
      "at least one token a row",
      "[2, 0]",
    );
  });

  it.each<[string, object, string[]]>([
    ["without ids", {}, ["tensor for input.inputIds"]],
    [
      "with one dimension",
      { inputIds: ids([1, 2], [2]) },
      ["[rows, length]", "input.inputIds.dims"],
    ],
    [
      "with a mask of other dims",
      { inputIds: ids([1, 2], [1, 2]), attentionMask: ids([1, 1], [2, 1]) },
      ["the dims of inputIds, [1, 2],", "input.attentionMask.dims", "[ 2, 1 ]"],
    ],
    [
      "with float ids",
      { inputIds: new Tensor("float32", new Float32Array(1), [1, 1]) },
      ['one of "int32", "int64" for input.inputIds.type'],
    ],
    ["with an unknown field", { inputIds: ids([1], [1, 1]), mask: 1 }, ["'mask'"]],
    ["with plain arrays", { inputIds: [[1, 2]] }, ["input.inputIds.type"]],
  ])("is refused %s", async (_, batch, parts) => {
    await expectError(() => readTokenBatch(batch, "input"), "ERR_INVALID_ARGUMENT", ...parts);
  });
});
