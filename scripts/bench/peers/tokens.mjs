/** Token ids as the library takes them. */
import { Tensor } from "../../../dist/index.js";

/** Ids of several texts: `[rows, length]` with a mask. @param {number[][]} rows */
export function tokenBatch(rows) {
  const length = Math.max(...rows.map((row) => row.length));
  const ids = new Int32Array(rows.length * length);
  const mask = new Int32Array(ids.length);
  for (const [index, row] of rows.entries()) {
    ids.set(row, index * length);
    mask.fill(1, index * length, index * length + row.length);
  }
  const dims = [rows.length, length];
  return {
    inputIds: new Tensor("int32", ids, dims),
    attentionMask: new Tensor("int32", mask, dims),
  };
}
