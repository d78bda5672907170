import { abortSignal, nonEmptyString, type Shaped } from "../check.cjs";
import { BertCnnError } from "../errors.cjs";
import type { NativeNgram, NativeTextExplanation } from "../native.cjs";

/** Options of {@link BertCnn.explain}. */
export interface ExplainOptions {
  /** The label whose logit is explained. Default: each text's best. */
  label?: string | undefined;
  /** A label that the logit is compared with: then the difference of the two logits is explained. Default: none. */
  against?: string | undefined;
  /** Ends it; the promise rejects with the signal's reason. Texts that are computed already are lost. */
  signal?: AbortSignal | undefined;
}

/** For {@link shaped}: the names and checks of {@link ExplainOptions}. */
export const explainShape = {
  label: nonEmptyString,
  against: nonEmptyString,
  signal: abortSignal,
};

/** A piece of a text, in UTF-16 units as a string's `slice` takes them; both 0 for tokens that stand for no text. */
interface Span {
  /** Where it begins in the text, in UTF-16 units. */
  readonly start: number;
  /** Where it has ended; 0 for what stands for no text, as `[CLS]` does. */
  readonly end: number;
}

/** Tokens in a row that are the maximum of some filters. */
export interface ExplainedNgram extends Span {
  /** The piece of the text; of special tokens alone their names. */
  readonly text: string;
  /** The tokens, special ones included. */
  readonly tokens: readonly string[];
  /** The first of them, counted from 0. */
  readonly firstToken: number;
  /** Filters whose maximum it is. */
  readonly filters: number;
  /** What these add to the logit. */
  readonly contribution: number;
  /** What the logit would be if each of them took its next best window; the hidden states stay as they are. */
  readonly without: number;
}

/** What the hidden state at one token adds to the logit. */
export interface ExplainedToken extends Span {
  /** As the vocabulary has it. */
  readonly token: string;
  /** What it adds. */
  readonly contribution: number;
}

/** What one filter found in a text. */
export interface FilterMaximum {
  /** The size of its kernel, in tokens. */
  readonly kernelSize: number;
  /** The first token of the window where it was largest. */
  readonly firstToken: number;
  /** The window's piece of the text. */
  readonly text: string;
  /** The value there, behind the activation. */
  readonly value: number;
  /** That times the classifier's weight. */
  readonly contribution: number;
}

/**
 * Where a logit comes from. It is the sum of `bias` and of the `contribution`s of all `ngrams`; with ReLU also that of
 * `tokenBias` and of the `contribution`s of all `tokens`. Both hold to float32's precision.
 *
 * The sums are exact over the encoder's positions, not over words: each hidden state knows of the whole text.
 */
export interface Explanation {
  /** The text as it was given. */
  readonly text: string;
  /** Whether it was cut to `maxLength` tokens. */
  readonly truncated: boolean;
  /** The label that is explained. */
  readonly label: string;
  /** The label that it is compared with, or null. */
  readonly against: string | null;
  /** Its logit, or the difference of the two. */
  readonly logit: number;
  /** Every label's logit, in the order of the labels. */
  readonly logits: readonly number[];
  /** The classifier's part of the logit that no text changes. */
  readonly bias: number;
  /** By the size of what they add, the largest first; without those that add nothing. */
  readonly ngrams: readonly ExplainedNgram[];
  /** The convolutions' and the classifier's biases that count; null unless the activation is ReLU. */
  readonly tokenBias: number | null;
  /** In the order of the text; null unless the activation is ReLU. */
  readonly tokens: readonly ExplainedToken[] | null;
  /** Every filter, kernel size by kernel size. */
  readonly filters: readonly FilterMaximum[];
}

/** What a model's labels and head say to an explanation. */
export interface ExplainedModel {
  readonly labels: readonly string[];
  readonly filterSizes: readonly number[];
}

/** The labels' places. `ERR_INVALID_ARGUMENT`: the model has no such label, or twice the same. */
export function readTarget(
  { label, against }: Shaped<typeof explainShape>,
  labels: readonly string[],
): { label?: number; against?: number } {
  const place = (name: string, value: string | undefined) => {
    if (value === undefined) return {};
    const index = labels.indexOf(value);
    if (index >= 0) return { [name]: index };
    const known = labels.map((one) => JSON.stringify(one)).join(", ");
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected one of the labels ${known} for options.${name} but received ${JSON.stringify(value)}`,
    );
  };
  if (label !== undefined && label === against) {
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected two labels but options.label and options.against are both ${JSON.stringify(label)}`,
    );
  }
  return { ...place("label", label), ...place("against", against) };
}

/** The tokens' places in the text. */
function spansOf({ tokens, offsets }: NativeTextExplanation): Span[] {
  return tokens.map((_, i) => ({ start: offsets[2 * i] ?? 0, end: offsets[2 * i + 1] ?? 0 }));
}

/** A native result with what it is of. */
interface Source {
  readonly native: NativeTextExplanation;
  readonly spans: readonly Span[];
  readonly text: string;
}

/** The piece of the text that some tokens cover. */
function pieceOf({ native, spans, text }: Source, first: number, last: number) {
  const words = spans.slice(first, last).filter(({ start, end }) => end > start);
  const start = words[0]?.start ?? 0;
  const end = words.at(-1)?.end ?? 0;
  const tokens = native.tokens.slice(first, last);
  return { text: words.length > 0 ? text.slice(start, end) : tokens.join(" "), start, end, tokens };
}

function ngramOf(ngram: NativeNgram, source: Source): ExplainedNgram {
  const { start: firstToken, filters, contribution, without } = ngram;
  const piece = pieceOf(source, firstToken, firstToken + ngram.tokens);
  return { ...piece, firstToken, filters, contribution, without };
}

function filtersOf(source: Source, sizes: readonly number[]): FilterMaximum[] {
  const { filterStarts, filterValues, filterContributions } = source.native;
  const filters = filterStarts.length / sizes.length;
  return Array.from(filterStarts, (firstToken, i) => {
    const kernelSize = sizes[Math.floor(i / filters)] ?? 0;
    const { text } = pieceOf(source, firstToken, firstToken + kernelSize);
    const value = filterValues[i] ?? 0;
    return { kernelSize, firstToken, text, value, contribution: filterContributions[i] ?? 0 };
  });
}

/** An explanation as callers see it. */
export function toExplanation(
  native: NativeTextExplanation,
  text: string,
  against: string | undefined,
  { labels, filterSizes }: ExplainedModel,
): Explanation {
  const spans = spansOf(native);
  const source = { native, spans, text };
  const ngrams = native.ngrams.map((ngram) => ngramOf(ngram, source));
  ngrams.sort((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const { tokenContributions } = native;
  const byToken = tokenContributions.length > 0;
  return {
    text,
    truncated: native.truncated,
    label: labels[native.label] ?? "",
    against: against ?? null,
    logit: native.logit,
    logits: Array.from(native.logits),
    bias: native.bias,
    ngrams,
    tokenBias: byToken ? native.tokenBias : null,
    tokens: byToken
      ? native.tokens.map((token, i) => ({
          token,
          start: spans[i]?.start ?? 0,
          end: spans[i]?.end ?? 0,
          contribution: tokenContributions[i] ?? 0,
        }))
      : null,
    filters: filtersOf(source, filterSizes),
  };
}
