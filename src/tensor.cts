import { types } from "node:util";

import { naturalNumber, oneOf, unexpected } from "./check.cjs";

/** The element types of a {@link Tensor}, by name, with the arrays that hold them. */
export interface TensorData {
  /** Logits, probabilities. */
  float32: Float32Array;
  /** Token ids and masks. */
  int32: Int32Array;
  /** Token ids and masks, as PyTorch and ONNX have them. */
  int64: BigInt64Array;
}

/** `"float32"`, `"int32"` or `"int64"`. */
export type TensorType = keyof TensorData;

/**
 * What is taken wherever a tensor is asked for: our own {@link Tensor}, ONNX Runtime's, or any object with
 * these fields.
 */
export interface TensorLike<T extends TensorType = TensorType> {
  /** The element type. */
  readonly type: T;
  /** The shape; the product of its entries is the length of `data`. */
  readonly dims: readonly number[];
  /** The elements, row-major. */
  readonly data: TensorData[T];
  /** The number of elements. */
  readonly size?: number;
  /** Where the elements are; only `"cpu"` can be read here. */
  readonly location?: string;
}

/** Asked through `util.types`, since arrays of another realm (Jest, `vm`) fail `instanceof`. */
const isDataOf: { [T in TensorType]: (value: unknown) => value is TensorData[T] } = {
  float32: types.isFloat32Array,
  int32: types.isInt32Array,
  int64: types.isBigInt64Array,
};

const arrayName: Record<TensorType, string> = {
  float32: "Float32Array",
  int32: "Int32Array",
  int64: "BigInt64Array",
};

const tensorType = oneOf("float32", "int32", "int64");

function checkDims(dims: unknown, name: string): readonly number[] {
  if (!Array.isArray(dims)) throw unexpected("array of integers", name, dims);
  return Object.freeze(
    Array.from(dims, (dim: unknown, i) => naturalNumber(dim, `${name}[${String(i)}]`)),
  );
}

/** Whether its buffer was handed over to somebody else, or has shrunk below it: it then looks like an empty array. */
function isDetached(data: TensorData[TensorType]): boolean {
  try {
    Int32Array.prototype.keys.call(data); // looks at any kind of typed array
    return false;
  } catch {
    return true;
  }
}

function checkData<T extends TensorType>(
  type: T,
  data: unknown,
  dims: readonly number[],
  name: string,
): TensorData[T] {
  if (!isDataOf[type](data)) throw unexpected(arrayName[type], name, data);
  if (isDetached(data))
    throw unexpected("array whose buffer is there and has not shrunk", name, data);
  const size = dims.reduce((product, dim) => product * dim, 1);
  if (data.length !== size) {
    throw unexpected(`${String(size)} elements, dims being [${dims.join(", ")}],`, name, data);
  }
  return data;
}

/** 0 for what is no array, which is refused next. */
function lengthOf(data: unknown): number {
  const { length } = Object(data) as { length?: unknown };
  return typeof length === "number" ? length : 0;
}

/**
 * A dense array of numbers with a shape, with the fields of ONNX Runtime's tensor, so that either can be
 * passed on to the other library.
 *
 * @example
 * ```ts
 * const inputIds = new Tensor("int32", Int32Array.of(101, 7592, 102), [1, 3]);
 * const { logits } = await model.predict({ inputIds });
 * logits.dims; // [1, model.labels.length]
 * ```
 *
 * @typeParam T - the element type
 */
export class Tensor<T extends TensorType = TensorType> implements TensorLike<T> {
  /** The element type. */
  readonly type: T;
  /** The shape. Row-major: the last dimension is contiguous. Frozen. */
  readonly dims: readonly number[];
  /** The elements, the caller's array itself: no copy is made. */
  readonly data: TensorData[T];
  /** The number of elements: the product of `dims`. */
  readonly size: number;
  /** Where the elements are: always in the processor's memory. */
  readonly location: "cpu" = "cpu" as const;

  /**
   * @param type - the element type
   * @param data - the elements, row-major; kept, not copied
   * @param dims - the shape; default `[data.length]`
   * @throws {@link BertCnnError} with code `ERR_INVALID_ARGUMENT` where type, data and dims do not fit
   */
  constructor(type: T, data: TensorData[T], dims?: readonly number[]) {
    this.type = tensorType(type, "type") as T;
    this.dims = checkDims(dims ?? [lengthOf(data)], "dims");
    this.data = checkData(this.type, data, this.dims, "data");
    this.size = this.data.length;
  }
}

/**
 * Reads a tensor of one of the types `allowed`, ours or another library's. Each field is read once.
 * Throws ERR_INVALID_ARGUMENT naming the field.
 */
export function readTensor<T extends TensorType>(
  value: unknown,
  name: string,
  allowed: readonly T[],
): TensorLike<T> {
  if (typeof value !== "object" || value === null) {
    throw unexpected("tensor with type, dims and data", name, value);
  }
  const fields = value as Record<"type" | "dims" | "data" | "location", unknown>;
  const { location } = fields;
  // Looked at first: the data of ONNX Runtime's tensors on a GPU throws when it is read.
  if (location !== undefined) oneOf("cpu", "cpu-pinned")(location, `${name}.location`);
  const type = oneOf(...allowed)(fields.type, `${name}.type`);
  const dims = checkDims(fields.dims, `${name}.dims`);
  return { type, dims, data: checkData(type, fields.data, dims, `${name}.data`) };
}
