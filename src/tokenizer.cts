import { setImmediate } from "node:timers/promises";
import { types } from "node:util";

import { throwIfAborted } from "./calls.cjs";
import {
  boolean,
  naturalNumber,
  oneOf,
  positiveInteger,
  shaped,
  string,
  strings,
  unexpected,
} from "./check.cjs";
import { BertCnnError, toBertCnnError } from "./errors.cjs";
import { readSource } from "./hub.cjs";
import { nativeModule } from "./native-module.cjs";
import type { NativeBatchOptions, NativeEncodings, NativeTokenizer } from "./native.cjs";
import { hubShape, type HubOptions } from "./options.cjs";

/** How texts are turned into tokens. */
export interface EncodingOptions {
  /** Whether `[CLS]` and `[SEP]` are put around. Default true. */
  addSpecialTokens?: boolean | undefined;
  /** Tokens, special ones included, beyond which a text is truncated. Default: no limit. */
  maxLength?: number | undefined;
  /**
   * Which text of a pair gives up tokens: `longest_first` (the default) the longer one until both are equally
   * long, then both alike. Where the named one is too short for that, the other gives up the rest. A text alone
   * is cut at its end.
   */
  truncation?: "longest_first" | "only_first" | "only_second" | undefined;
  /** Whether {@link Encoding.offsets} is filled. Default true. */
  returnOffsets?: boolean | undefined;
  /** Whether {@link Encoding.tokenTypeIds} is filled. Default true. */
  returnTokenTypeIds?: boolean | undefined;
}

/** Options of {@link Tokenizer.encode}. */
export interface EncodeOptions extends EncodingOptions {
  /** A second text, for models that take pairs. */
  textPair?: string | undefined;
}

/** Options of {@link Tokenizer.encodeBatch}. */
export interface EncodeBatchOptions extends EncodingOptions {
  /** The second texts, as many as there are texts. */
  textPairs?: readonly string[] | undefined;
  /**
   * Whether shorter encodings are filled up with pad tokens: to the longest of the batch (`true`, `"longest"`), or to
   * `maxLength` (`"max_length"`; without it to {@link Tokenizer.modelMaxLength}). Default `false`. A `BertCnn`
   * needs no padding.
   */
  padding?: boolean | "longest" | "max_length" | undefined;
}

/** Options of {@link Tokenizer.decode}. */
export interface DecodeOptions {
  /** Whether `[CLS]`, `[SEP]` and the like are left out. Default false. */
  skipSpecialTokens?: boolean | undefined;
}

/** The tokens of one text or pair. The arrays share one buffer. */
export interface Encoding {
  /** `[tokens]`, ids of the vocabulary. */
  ids: Int32Array;
  /** `[tokens]`, 0 for pad tokens and 1 for all others. */
  attentionMask: Int32Array;
  /** `[tokens]`, 0 for the first text and 1 for the second; empty without `returnTokenTypeIds`. */
  tokenTypeIds: Int32Array;
  /** `[tokens]`, 1 for special tokens, pad tokens among them. */
  specialTokensMask: Uint8Array;
  /**
   * `[2 * tokens]`: start and end of each token in its own text, so that `text.slice(start, end)` is where
   * it came from; 0 and 0 for special tokens. Several tokens can come from one place. Empty without
   * `returnOffsets`.
   */
  offsets: Int32Array;
  /** Whether tokens were cut off. */
  truncated: boolean;
}

function paddingMode(value: unknown, name: string): "none" | "longest" | "max_length" {
  if (value === true || value === "longest") return "longest";
  if (value === false) return "none";
  if (value === "max_length") return value;
  throw unexpected('boolean, "longest" or "max_length"', name, value);
}

const encodingShape = {
  addSpecialTokens: boolean,
  maxLength: positiveInteger,
  truncation: oneOf("longest_first", "only_first", "only_second"),
  returnOffsets: boolean,
  returnTokenTypeIds: boolean,
};
const encodeShape = { ...encodingShape, textPair: string };
const encodeBatchShape = { ...encodingShape, textPairs: strings, padding: paddingMode };
const decodeShape = { skipSpecialTokens: boolean };

const HEADER = 4; // int32s at the start of an encoding

/** The encoding at the start of a buffer of the addon's; its arrays are views of the buffer. */
function unpack(buffer: NativeEncodings): Encoding {
  const header = new Int32Array(buffer, 0, HEADER);
  const tokens = header[0] ?? 0;
  const typeIds = header[1] ?? 0;
  const offsets = header[2] ?? 0;
  const typeIdsAt = 4 * (HEADER + 2 * tokens);
  const offsetsAt = typeIdsAt + 4 * typeIds;
  return {
    ids: new Int32Array(buffer, 4 * HEADER, tokens),
    attentionMask: new Int32Array(buffer, 4 * (HEADER + tokens), tokens),
    tokenTypeIds: new Int32Array(buffer, typeIdsAt, typeIds),
    specialTokensMask: new Uint8Array(buffer, offsetsAt + 4 * offsets, tokens),
    offsets: new Int32Array(buffer, offsetsAt, offsets),
    truncated: header[3] === 1,
  };
}

/** Each text's encoding, with a buffer of its own: keeping one does not keep all. */
function* split(parts: readonly NativeEncodings[]): Generator<Encoding> {
  for (const part of parts) {
    const all = new Int32Array(part);
    for (let start = 0; start < all.length;) {
      const tokens = all[start] ?? 0;
      const others = (all[start + 1] ?? 0) + (all[start + 2] ?? 0);
      const end = start + HEADER + 2 * tokens + others + Math.ceil(tokens / 4);
      yield unpack(part.slice(4 * start, 4 * end));
      start = end;
    }
  }
}

/** Tokens of encodings that are split between two turns of the event loop: a millisecond's work. */
const TOKENS_A_TURN = 50_000;
/** So many tokens' work goes into an encoding, however short it is. */
const TOKENS_FOR_A_TEXT = 50;

/** What is handed to the addon between two turns: a millisecond's work, too. */
const CHUNK_TEXTS = 1000;
const CHUNK_UNITS = 1 << 18;

/** Where chunks of texts end. */
function chunkEnds(texts: readonly string[], pairs?: readonly string[]): number[] {
  const ends: number[] = [];
  let start = 0;
  let units = 0;
  texts.forEach((text, i) => {
    units += text.length + (pairs?.[i]?.length ?? 0);
    if (units < CHUNK_UNITS && i + 1 - start < CHUNK_TEXTS && i + 1 < texts.length) return;
    ends.push(i + 1);
    start = i + 1;
    units = 0;
  });
  return ends;
}

function readIds(value: unknown, name: string): Int32Array {
  if (types.isInt32Array(value)) return value;
  if (!Array.isArray(value)) throw unexpected("Int32Array or array of ids", name, value);
  const ids = new Int32Array(value.length);
  for (let i = 0; i < value.length; i++) ids[i] = readId(value[i], `${name}[${String(i)}]`);
  return ids;
}

function readId(value: unknown, name: string): number {
  const id = naturalNumber(value, name);
  if (id > 0x7fffffff) throw unexpected("integer in the range of int32", name, value);
  return id;
}

/** What the addon throws, as an error of this library. */
function native<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toBertCnnError(error);
  }
}

/**
 * BERT's WordPiece tokenizer, with the ids and offsets of Hugging Face's. A model has its own inside; this
 * class is for those who want to see or make tokens themselves.
 *
 * @example
 * ```ts
 * const tokenizer = await Tokenizer.fromPretrained("./my-model");
 * const { ids } = tokenizer.encode("Hello world");
 * tokenizer.decode(ids); // "[CLS] hello world [SEP]"
 * ```
 */
export class Tokenizer {
  /** The number of entries of the vocabulary. */
  readonly vocabSize: number;
  /** The `model_max_length` of the tokenizer's files, in tokens; `null` where they name none. */
  readonly modelMaxLength: number | null;
  readonly #native: NativeTokenizer;

  private constructor(native: NativeTokenizer) {
    this.#native = native;
    this.vocabSize = native.vocabSize;
    this.modelMaxLength = native.modelMaxLength;
  }

  /**
   * Reads a tokenizer from a directory with `vocab.txt` and `tokenizer_config.json`, or with a WordPiece
   * `tokenizer.json`; or that of a model of the Hugging Face hub, as {@link BertCnn.fromPretrained} does.
   *
   * @param source - path of the directory, or a model's id
   * @param options - for an id: the revision, and what watches and stops the download
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, `ERR_FILE_NOT_FOUND`, `ERR_TOKENIZER_FORMAT`,
   * `ERR_ADDON_LOAD` or `ERR_LIBTORCH_VERSION`, for an id also `ERR_NETWORK`, `ERR_ACCESS_DENIED` or `ERR_IO`; or
   * the signal's reason
   */
  static async fromPretrained(source: string, options?: HubOptions): Promise<Tokenizer> {
    const { signal, ...hub } = shaped(options, "options", hubShape);
    throwIfAborted(signal);
    const directory = await readSource(source, "tokenizer", { ...hub, signal });
    throwIfAborted(signal);
    try {
      return new Tokenizer(await nativeModule().loadTokenizer(directory));
    } catch (error) {
      throw toBertCnnError(error);
    }
  }

  /**
   * The tokens of one text, at once on the JavaScript thread.
   *
   * @param text - lone surrogates are treated as U+FFFD
   * @param options - special tokens, truncation, a second text, what is left out
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`
   */
  encode(text: string, options?: EncodeOptions): Encoding {
    const first = string(text, "text");
    if (options === undefined) return unpack(native(() => this.#native.encode(first, null)));
    const { textPair, ...rest } = shaped(options, "options", encodeShape);
    return unpack(native(() => this.#native.encode(first, textPair ?? null, rest)));
  }

  /**
   * The tokens of many texts, off the JavaScript thread, on all processors. Only handing over texts and results
   * takes the JavaScript thread's time, in small portions between which the event loop turns; texts that are padded to
   * the longest are handed over all at once.
   *
   * @param texts - the texts
   * @param options - special tokens, truncation, second texts, padding, what is left out
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`
   */
  async encodeBatch(texts: readonly string[], options?: EncodeBatchOptions): Promise<Encoding[]> {
    const { textPairs, padding, ...rest } = shaped(options, "options", encodeBatchShape);
    const first = strings(texts, "texts");
    if (textPairs !== undefined && textPairs.length !== first.length) {
      throw new BertCnnError(
        "ERR_INVALID_ARGUMENT",
        `Expected ${String(first.length)} texts in options.textPairs, as many as in texts, ` +
          `but received ${String(textPairs.length)}`,
      );
    }
    const pad = this.#padding(padding, rest.maxLength);
    const told = { ...rest, ...pad };
    const waiting: Promise<NativeEncodings[]>[] = [];
    // To pad to the longest all have to be seen.
    const ends = padding === "longest" ? [first.length] : chunkEnds(first, textPairs);
    const encodings: Encoding[] = [];
    try {
      let start = 0;
      for (const end of ends) {
        const pairs = textPairs?.slice(start, end) ?? null;
        const chunk = this.#native.encodeBatch(first.slice(start, end), pairs, told);
        chunk.catch(() => undefined); // it may fail before it is awaited below
        waiting.push(chunk);
        start = end;
        if (start < first.length) await setImmediate();
      }
      let tokens = 0;
      for (const chunk of waiting) {
        for (const encoding of split(await chunk)) {
          encodings.push(encoding);
          tokens += TOKENS_FOR_A_TEXT + encoding.ids.length;
          if (tokens < TOKENS_A_TURN) continue;
          tokens = 0;
          await setImmediate();
        }
      }
    } catch (error) {
      throw toBertCnnError(error);
    }
    return encodings;
  }

  /**
   * The text of tokens, as far as they hold it: what lower-casing and cleaning took away stays away.
   *
   * @param ids - ids of the vocabulary; others are left out
   * @param options - whether special tokens are left out
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`
   */
  decode(ids: Int32Array | readonly number[], options?: DecodeOptions): string {
    const { skipSpecialTokens = false } = shaped(options, "options", decodeShape);
    const read = readIds(ids, "ids");
    return native(() => this.#native.decode(read, skipSpecialTokens));
  }

  /**
   * The tokens of an encoding's ids, as strings: `["[CLS]", "wonder", "##ful", "[SEP]"]`.
   *
   * @param ids - ids of the vocabulary; `null` stands for others
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`
   */
  tokens(ids: Int32Array | readonly number[]): (string | null)[] {
    const read = readIds(ids, "ids");
    return native(() => Array.from(read, (id) => this.#native.idToToken(id)));
  }

  /** The id of a token, or `null` where the vocabulary has no such token. */
  tokenToId(token: string): number | null {
    const read = string(token, "token");
    return native(() => this.#native.tokenToId(read));
  }

  /** The token of an id, or `null` where the vocabulary has no such id. */
  idToToken(id: number): string | null {
    const read = readId(id, "id");
    return native(() => this.#native.idToToken(read));
  }

  /** What the addon is told of `padding`. */
  #padding(
    padding: "none" | "longest" | "max_length" | undefined,
    maxLength: number | undefined,
  ): NativeBatchOptions {
    if (padding === "longest") return { padToLongest: true };
    if (padding !== "max_length") return {};
    const padLength = maxLength ?? this.modelMaxLength;
    if (padLength === null) {
      throw new BertCnnError(
        "ERR_INVALID_ARGUMENT",
        'Expected options.maxLength for padding "max_length", since the tokenizer has no modelMaxLength',
      );
    }
    return { padLength };
  }
}
