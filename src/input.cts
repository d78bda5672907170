import { shaped, strings, unexpected } from "./check.cjs";
import { BertCnnError } from "./errors.cjs";
import type { NativeInput, NativeTokenBatch } from "./native.cjs";
import { readTensor, type TensorLike } from "./tensor.cjs";

/** Token ids that a caller made, in a rectangle of `rows` x `length`: shorter rows are padded. */
export interface TokenBatch {
  /** `[rows, length]`, ids of the model's vocabulary, special tokens included. */
  inputIds: TensorLike<"int32" | "int64">;
  /** `[rows, length]`, 1 for tokens and 0 for padding; default all 1. */
  attentionMask?: TensorLike<"int32" | "int64"> | undefined;
  /** `[rows, length]`, the segment of each token; default all 0. */
  tokenTypeIds?: TensorLike<"int32" | "int64"> | undefined;
}

const INT32_MIN = -(2n ** 31n);
const INT32_MAX = 2n ** 31n - 1n;

/** A tensor of ours. */
interface Matrix {
  /** `[rows, length]` */
  dims: readonly number[];
  data: Int32Array;
}

/** A copy as int32. */
function toInt32(tensor: TensorLike<"int32" | "int64">, name: string): Int32Array {
  const { data } = tensor;
  if (tensor.type === "int32") return new Int32Array(data as Int32Array);
  const length = tensor.dims[1] ?? 0;
  const result = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const value = data[i] as bigint;
    if (value < INT32_MIN || value > INT32_MAX) {
      const place = `${name}[${String(Math.floor(i / length))}][${String(i % length)}]`;
      throw unexpected("integer in the range of int32", place, value, "ERR_INVALID_INPUT");
    }
    result[i] = Number(value);
  }
  return result;
}

/** Copied as soon as it is checked: the caller may change the array, even while other fields are read. */
function readMatrix(value: unknown, name: string): Matrix {
  const tensor = readTensor(value, name, ["int32", "int64"]);
  if (tensor.dims.length !== 2) {
    throw unexpected("two dimensions, [rows, length],", `${name}.dims`, tensor.dims);
  }
  return { dims: tensor.dims, data: toInt32(tensor, name) };
}

const tokenBatchShape = {
  inputIds: readMatrix,
  attentionMask: readMatrix,
  tokenTypeIds: readMatrix,
};

/** Reads a {@link TokenBatch} into arrays of our own. */
export function readTokenBatch(value: unknown, name: string): NativeTokenBatch {
  const { inputIds, ...others } = shaped(value, name, tokenBatchShape);
  if (inputIds === undefined) throw unexpected("tensor", `${name}.inputIds`, inputIds);
  const [rows = 0, length = 0] = inputIds.dims;
  if (rows > 0 && length === 0) {
    throw new BertCnnError(
      "ERR_INVALID_INPUT",
      `Expected at least one token a row but ${name}.inputIds has dims [${inputIds.dims.join(", ")}]`,
    );
  }
  const batch: NativeTokenBatch = { rows, length, inputIds: inputIds.data };
  for (const key of ["attentionMask", "tokenTypeIds"] as const) {
    const matrix = others[key];
    if (matrix === undefined) continue;
    if (matrix.dims[0] !== rows || matrix.dims[1] !== length) {
      const expected = `the dims of inputIds, [${inputIds.dims.join(", ")}],`;
      throw unexpected(expected, `${name}.${key}.dims`, matrix.dims);
    }
    batch[key] = matrix.data;
  }
  return batch;
}

/** Reads what `predict` takes: a text, texts, or tokens. */
export function readInput(value: unknown, name: string): NativeInput {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return strings(value, name);
  if (typeof value !== "object" || value === null) {
    throw unexpected("string, array of strings or token batch", name, value);
  }
  return readTokenBatch(value, name);
}

/** Reads what `classify` takes: a text or texts. */
export function readTexts(value: unknown, name: string): readonly string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return strings(value, name);
  throw unexpected("string or array of strings", name, value);
}

/** The number of rows of an input. */
export function rowCount(input: NativeInput): number {
  return "inputIds" in input ? input.rows : input.length;
}
