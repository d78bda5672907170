import {
  arrayOf,
  boolean,
  nonEmptyString,
  oneOf,
  positiveInteger,
  shaped,
  string,
  strings,
  unexpected,
  type Check,
} from "../../src/check.cjs";
import { expectError } from "./support/rejection.cjs";

describe("the sentence of an argument error", () => {
  it.each([
    [-1, "-1 of type number"],
    ["x", "'x' of type string"],
    [undefined, "undefined of type undefined"],
    [null, "null of type null"],
    [3n, "3n of type bigint"],
    [[1, 2], "[ 1, 2 ] of type array"],
    [new Float32Array(1), "Float32Array(1) [ 0 ] of type Float32Array"],
    [{ a: { b: 1 } }, "{ a: [Object] } of type object"],
  ])("shows %p with its type", (value, shown) => {
    expect(unexpected("positive integer", "width", value).message).toBe(
      `Expected positive integer for width but received ${shown}`,
    );
  });

  it("cuts a long value short", () => {
    expect(unexpected("x", "y", "a".repeat(10_000)).message.length).toBeLessThan(200);
    expect(unexpected("x", "y", new Array(10_000).fill(1)).message.length).toBeLessThan(200);
  });

  it("survives a value that throws when it is looked at", () => {
    const value = {
      get [Symbol.toStringTag](): string {
        throw new Error("no");
      },
    };
    expect(unexpected("x", "y", value).message).toContain("but received a value of type object");
  });
});

describe("checks", () => {
  it.each<[string, Check<unknown>, unknown]>([
    ["boolean", boolean, 1],
    ["string", string, 1],
    ["non-empty string", nonEmptyString, ""],
    ["positive integer", positiveInteger, 0],
    ["positive integer", positiveInteger, 1.5],
    ["positive integer", positiveInteger, "1"],
    ["positive integer", positiveInteger, NaN],
    ['one of "a", "b"', oneOf("a", "b"), "c"],
    ['"a"', oneOf("a"), "toString"],
    ["array of strings", strings, "text"],
  ])("expect %s", async (expected, check, value) => {
    await expectError(
      () => check(value, "option"),
      "ERR_INVALID_ARGUMENT",
      `Expected ${expected} for option`,
    );
  });

  it("name the element of an array that is wrong, holes included", async () => {
    await expectError(
      () => strings(["a", 2], "texts"),
      "ERR_INVALID_ARGUMENT",
      "texts[1] but received 2",
    );
    await expectError(
      () => strings(new Array<string>(2), "texts"),
      "ERR_INVALID_ARGUMENT",
      "texts[0] but received undefined",
    );
  });

  it("copy arrays", () => {
    const given = [1, 2];
    const read = arrayOf(positiveInteger, "array of positive integers")(given, "sizes");
    given[0] = 7;
    expect(read).toEqual([1, 2]);
  });
});

describe("an options object", () => {
  const shape = { size: positiveInteger, name: string };

  it("gives the options that are set", () => {
    expect(shaped({ size: 3, name: undefined }, "options", shape)).toEqual({ size: 3 });
    expect(shaped(undefined, "options", shape)).toEqual({});
  });

  it("is refused with a name that is not known", async () => {
    await expectError(
      () => shaped({ sise: 3 }, "options", shape),
      "ERR_INVALID_ARGUMENT",
      "Expected options to hold only size, name but it holds 'sise'",
    );
  });

  it("names the option that is wrong", async () => {
    await expectError(
      () => shaped({ size: -1 }, "options", shape),
      "ERR_INVALID_ARGUMENT",
      "options.size",
    );
  });

  it.each([null, [], "size", 3])("is not %p", async (value) => {
    await expectError(
      () => shaped(value, "options", shape),
      "ERR_INVALID_ARGUMENT",
      "Expected object for options",
    );
  });

  it("is read once, so that a getter cannot pass the check with one value and be used with another", () => {
    let reads = 0;
    const options = {
      get size() {
        return ++reads;
      },
    };
    expect(shaped(options, "options", shape)).toEqual({ size: 1 });
    expect(reads).toBe(1);
  });
});
