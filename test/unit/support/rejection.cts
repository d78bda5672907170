import { BertCnnError, type BertCnnErrorCode } from "../../../src/errors.cjs";

/** The error that a promise rejects with, or that a function throws. */
export async function errorOf(work: Promise<unknown> | (() => unknown)): Promise<BertCnnError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    expect(error).toBeInstanceOf(BertCnnError);
    return error as BertCnnError;
  }
  throw new Error("Expected an error but the call succeeded");
}

/** Expects a BertCnnError with this code whose message holds each of `parts`. */
export async function expectError(
  work: Promise<unknown> | (() => unknown),
  code: BertCnnErrorCode,
  ...parts: string[]
): Promise<void> {
  const error = await errorOf(work);
  expect(error.code).toBe(code);
  for (const part of parts) expect(error.message).toContain(part);
}

/** What a promise rejects with, whatever it is. */
export async function reasonOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return error;
  }
  throw new Error("Expected a rejection but the promise was fulfilled");
}
