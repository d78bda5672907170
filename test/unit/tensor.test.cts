import vm from "node:vm";

import { readTensor, Tensor, type TensorType } from "../../src/tensor.cjs";
import { expectError } from "./support/rejection.cjs";

const dispatch: [TensorType, Float32Array | Int32Array | BigInt64Array][] = [
  ["float32", Float32Array.of(1, 2, 3, 4, 5, 6)],
  ["int32", Int32Array.of(1, 2, 3, 4, 5, 6)],
  ["int64", BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n)],
];

describe("a tensor", () => {
  it.each(dispatch)("of %s has ONNX Runtime's fields over the caller's own array", (type, data) => {
    const tensor = new Tensor(type, data, [2, 3]);
    expect(tensor).toMatchObject({ type, dims: [2, 3], data, size: 6, location: "cpu" });
    expect(tensor.data).toBe(data);
  });

  it("is a vector without dims", () => {
    expect(new Tensor("int32", new Int32Array(4)).dims).toEqual([4]);
  });

  it("keeps its dims whatever becomes of the array they came in", () => {
    const dims = [2, 1];
    const tensor = new Tensor("int32", new Int32Array(2), dims);
    dims[0] = 9;
    expect(tensor.dims).toEqual([2, 1]);
    expect(Object.isFrozen(tensor.dims)).toBe(true);
  });

  it("can be empty", () => {
    expect(new Tensor("float32", new Float32Array(0), [0, 3]).size).toBe(0);
  });

  it.each<[string, unknown[], string]>([
    [
      "an unknown type",
      ["float16", new Float32Array(1)],
      'Expected one of "float32", "int32", "int64" for type',
    ],
    ["no data", ["int32"], "Expected Int32Array for data"],
    ["null as data", ["int32", null], "Expected Int32Array for data"],
    ["data of another type", ["int32", new Float32Array(1)], "Expected Int32Array for data"],
    [
      "dims of another size",
      ["int32", new Int32Array(2), [3]],
      "Expected 3 elements, dims being [3], for data",
    ],
    ["a negative dim", ["int32", new Int32Array(2), [-2]], "for dims[0]"],
    ["a fractional dim", ["int32", new Int32Array(2), [1, 2.5]], "for dims[1]"],
    [
      "dims that are no array",
      ["int32", new Int32Array(2), "2"],
      "Expected array of integers for dims",
    ],
  ])("refuses %s", async (_, args, message) => {
    const make = () => Reflect.construct(Tensor, args) as unknown;
    await expectError(make, "ERR_INVALID_ARGUMENT", message);
  });
});

describe("a tensor of another library", () => {
  const allowed = ["int32", "int64"] as const;

  it("is taken when it has the fields", () => {
    const foreign = {
      type: "int64",
      dims: [1, 2],
      data: BigInt64Array.of(5n, 6n),
      size: 2,
      location: "cpu",
    };
    expect(readTensor(foreign, "ids", allowed)).toEqual({
      type: "int64",
      dims: [1, 2],
      data: BigInt64Array.of(5n, 6n),
    });
  });

  it("is taken from another realm", () => {
    const foreign: unknown = vm.runInNewContext(
      "({ type: 'int32', dims: [2], data: new Int32Array(2) })",
    );
    expect(readTensor(foreign, "ids", allowed).dims).toEqual([2]);
  });

  it("is refused when its data is on a device, before the data is touched", async () => {
    const remote = {
      type: "int32",
      dims: [1],
      location: "gpu-buffer",
      get data(): Int32Array {
        throw new Error("the data is not on the CPU");
      },
    };
    await expectError(
      () => readTensor(remote, "ids", allowed),
      "ERR_INVALID_ARGUMENT",
      "ids.location",
      "'gpu-buffer'",
    );
  });

  it.each([null, 3, "ids"])("is not %p", async (value) => {
    await expectError(() => readTensor(value, "ids", allowed), "ERR_INVALID_ARGUMENT", "for ids");
  });
});
