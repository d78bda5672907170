/** How near a system's outputs are to PyTorch's, and whether that is near enough to be timed. */
import { correlation } from "../../demo/measures.mjs";

/** Of float32: of a logit, |difference| <= TOLERANCE * (1 + |PyTorch's in float64|). */
export const TOLERANCE = 1e-4;
/** Of lower precisions: the least correlation of logits with PyTorch's in float64. */
export const LEAST_CORRELATION = { bfloat16: 0.99, int8: 0.95 };

/**
 * @param {"float32" | "bfloat16" | "int8"} precision
 * @param {readonly (readonly number[])[]} logits
 * @param {readonly (readonly number[])[]} reference
 * @returns {{ difference: number, correlation: number, passed: boolean }} the largest difference, of 1 + |logit|
 */
export function compareLogits(precision, logits, reference) {
  const [got, wanted] = [logits.flat(), reference.flat()];
  if (got.length !== wanted.length) return { difference: NaN, correlation: NaN, passed: false };
  const distances = wanted.map((value, at) => Math.abs(got[at] - value) / (1 + Math.abs(value)));
  const difference = Math.max(...distances); // NaN where one is
  const result = { difference, correlation: correlation(got, wanted) };
  const passed =
    precision === "float32"
      ? difference <= TOLERANCE
      : result.correlation >= LEAST_CORRELATION[precision];
  return { ...result, passed };
}

/**
 * How a precision's outputs for many texts follow those in float32: the share of texts with the same label (the
 * largest logit; of a single output its sign), and the correlation of all logits.
 */
export function agreementOf(logits, reference) {
  const label = (row) => (row.length === 1 ? row[0] > 0 : row.indexOf(Math.max(...row)));
  const same = logits.filter((row, index) => label(row) === label(reference[index])).length;
  return {
    texts: reference.length,
    agreement: same / reference.length,
    correlation: correlation(logits.flat(), reference.flat()),
  };
}
