/** The codes that a {@link BertCnnError} carries. `docs/errors.md` says what each one asks for. */
export type BertCnnErrorCode =
  | "ERR_INVALID_ARGUMENT"
  | "ERR_INVALID_JSON"
  | "ERR_INVALID_CONFIG"
  | "ERR_UNSUPPORTED_CONFIG"
  | "ERR_FILE_NOT_FOUND"
  | "ERR_IO"
  | "ERR_NETWORK"
  | "ERR_ACCESS_DENIED"
  | "ERR_CHECKPOINT_FORMAT"
  | "ERR_CHECKPOINT_MISMATCH"
  | "ERR_TOKENIZER_FORMAT"
  | "ERR_INVALID_INPUT"
  | "ERR_INVALID_LABELS"
  | "ERR_INVALID_DATA"
  | "ERR_SEQUENCE_TOO_SHORT"
  | "ERR_NON_FINITE"
  | "ERR_DEVICE_UNAVAILABLE"
  | "ERR_DTYPE_UNAVAILABLE"
  | "ERR_DISPOSED"
  | "ERR_CANCELLED"
  | "ERR_TRAINING_NOT_CONFIGURED"
  | "ERR_QUEUE_FULL"
  | "ERR_TIMEOUT"
  | "ERR_OUT_OF_MEMORY"
  | "ERR_ADDON_LOAD"
  | "ERR_LIBTORCH_VERSION"
  | "ERR_INTERNAL";

/** What each code means; `docs/errors.md` also says what to do. */
const MEANINGS: Record<BertCnnErrorCode, string> = {
  ERR_INVALID_ARGUMENT: "an argument or option has the wrong type or value, or an unknown name",
  ERR_INVALID_JSON: "a JSON file cannot be parsed",
  ERR_INVALID_CONFIG: "config.json lacks a field or holds a value that makes no sense",
  ERR_UNSUPPORTED_CONFIG: "config.json asks for arithmetic that this library does not have",
  ERR_FILE_NOT_FOUND: "a file or directory does not exist",
  ERR_IO: "the operating system refused to read or write",
  ERR_NETWORK: "the Hugging Face hub cannot be reached, or sends what it should not",
  ERR_ACCESS_DENIED: "the Hugging Face hub wants a token, or another one",
  ERR_CHECKPOINT_FORMAT: "a weights file is damaged or of an unknown format",
  ERR_CHECKPOINT_MISMATCH: "names or shapes in a weights file do not fit the model",
  ERR_TOKENIZER_FORMAT: "the tokenizer's files are missing, damaged or not WordPiece",
  ERR_INVALID_INPUT: "texts or tokens cannot be computed as given",
  ERR_INVALID_LABELS: "training labels do not fit the model",
  ERR_INVALID_DATA: "a row of a data set cannot be used, or its file or source changed meanwhile",
  ERR_SEQUENCE_TOO_SHORT: 'a padded batch is shorter than the largest kernel (padding: "include")',
  ERR_NON_FINITE: "the loss or the gradients of a training step are NaN or infinite",
  ERR_DEVICE_UNAVAILABLE: "the device asked for is not there",
  ERR_DTYPE_UNAVAILABLE: "the processor or device does not compute in the precision asked for",
  ERR_DISPOSED: "the model was disposed",
  ERR_CANCELLED: "the call was cancelled",
  ERR_TRAINING_NOT_CONFIGURED: "training was asked for before configureTraining",
  ERR_QUEUE_FULL: "more rows wait than maxQueueRows allows",
  ERR_TIMEOUT: "the call took longer than its timeout",
  ERR_OUT_OF_MEMORY: "memory ran out",
  ERR_ADDON_LOAD: "the native addon cannot be loaded",
  ERR_LIBTORCH_VERSION: "libtorch is of another version than the addon was built with",
  ERR_INTERNAL: "a fault of this library; please report it",
};

/** All codes, for tests and documentation. */
export const errorCodes = Object.keys(MEANINGS) as readonly BertCnnErrorCode[];

/**
 * The one class of error that this library throws or rejects with, aborts excepted: a call that an
 * `AbortSignal` ended rejects with the signal's own reason.
 *
 * @example
 * ```ts
 * try {
 *   await model.predict(texts, { timeout: 200 });
 * } catch (error) {
 *   if (error instanceof BertCnnError && error.code === "ERR_TIMEOUT") return fallback;
 *   throw error;
 * }
 * ```
 */
export class BertCnnError extends Error {
  /** The class's name, also where `instanceof` cannot be asked. */
  override readonly name = "BertCnnError";
  /** Tells the kinds of errors apart; stable, unlike the message. */
  readonly code: BertCnnErrorCode;

  /**
   * @param code - one of the codes in `docs/errors.md`
   * @param message - names the offending name or value and says what would be right
   * @param options - `cause`: the error behind this one
   */
  constructor(code: BertCnnErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

function isKnownCode(code: unknown): code is BertCnnErrorCode {
  return typeof code === "string" && Object.hasOwn(MEANINGS, code);
}

/**
 * What the addon threw, as an error of this library. `instanceof` cannot be asked here: the addon's errors
 * may come from another realm (`vm` contexts, Jest), so its fields are read.
 */
export function toBertCnnError(error: unknown): BertCnnError {
  if (error instanceof BertCnnError) return error;
  const { code, message } = Object(error) as { code?: unknown; message?: unknown };
  const text = typeof message === "string" ? message : String(error);
  return new BertCnnError(isKnownCode(code) ? code : "ERR_INTERNAL", text, { cause: error });
}
