import type { Explanation } from "./explanation.cjs";

/** An n-gram of several texts. */
export interface SummarizedNgram {
  /** In small letters. */
  readonly text: string;
  /** Texts in which it is a filter's maximum. */
  readonly texts: number;
  /** What it adds to the logit, in the mean over these texts. */
  readonly contribution: number;
}

/** Where a filter was largest. */
export interface SummarizedMaximum {
  /** The piece of the text. */
  readonly text: string;
  /** The filter's value there. */
  readonly value: number;
}

/** What speaks for a label, and what against it. */
export interface SummarizedLabel {
  /** N-grams that add to its logit. */
  readonly for: readonly SummarizedNgram[];
  /** N-grams that take from it. */
  readonly against: readonly SummarizedNgram[];
}

/** What one filter looks for. */
export interface SummarizedFilter {
  /** Its place among all filters, kernel size by kernel size. */
  readonly filter: number;
  /** In tokens. */
  readonly kernelSize: number;
  /** Where it was largest, the largest first. */
  readonly ngrams: readonly SummarizedMaximum[];
}

/** What many explanations have in common. */
export interface ExplanationSummary {
  /** By label: what speaks for it and what against, by the size of the sum over all texts. */
  readonly labels: Readonly<Record<string, SummarizedLabel>>;
  /** Filters by the size of what they add to the logits, over all texts. */
  readonly filters: readonly SummarizedFilter[];
}

interface Sum {
  texts: number;
  total: number;
}

function summarize(sums: ReadonlyMap<string, Sum>, sign: number, top: number): SummarizedNgram[] {
  return [...sums]
    .filter(([, { total }]) => total * sign > 0)
    .sort(([, a], [, b]) => (b.total - a.total) * sign)
    .slice(0, top)
    .map(([text, { texts, total }]) => ({ text, texts, contribution: total / texts }));
}

function summarizeFilters(explanations: readonly Explanation[], top: number): SummarizedFilter[] {
  const count = explanations[0]?.filters.length ?? 0;
  const filters = Array.from({ length: count }, (_, filter) => {
    const found = explanations.flatMap((explanation) => {
      const maximum = explanation.filters[filter];
      if (maximum === undefined || maximum.value === 0) return [];
      const { text, value, contribution } = maximum;
      return [{ text, value, size: Math.abs(contribution) }];
    });
    const size = found.reduce((sum, one) => sum + one.size, 0);
    const best = found.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, top);
    const kernelSize = explanations[0]?.filters[filter]?.kernelSize ?? 0;
    const ngrams = best.map(({ text, value }) => ({ text, value }));
    return { filter, kernelSize, ngrams, size };
  });
  return filters
    .sort((a, b) => b.size - a.size)
    .map(({ filter, kernelSize, ngrams }) => ({ filter, kernelSize, ngrams }));
}

/**
 * The strongest n-grams of each label and of each filter, over many texts.
 *
 * @example
 * ```ts
 * const { labels } = summarizeExplanations(await model.explain(texts));
 * labels.spam.for[0]; // { text: "click here", texts: 31, contribution: 0.82 }
 * ```
 *
 * @param explanations - of one model, as {@link BertCnn.explain} gives them
 * @param options - `top`: n-grams of each list; default 10
 */
export function summarizeExplanations(
  explanations: readonly Explanation[],
  { top = 10 }: { top?: number } = {},
): ExplanationSummary {
  const byLabel = new Map<string, Map<string, Sum>>();
  for (const { label, ngrams } of explanations) {
    const sums = byLabel.get(label) ?? new Map<string, Sum>();
    byLabel.set(label, sums);
    const own = new Map<string, number>(); // the same words may stand in a text twice
    for (const { text, contribution } of ngrams) {
      const key = text.toLowerCase();
      own.set(key, (own.get(key) ?? 0) + contribution);
    }
    for (const [text, contribution] of own) {
      const sum = sums.get(text) ?? { texts: 0, total: 0 };
      sums.set(text, { texts: sum.texts + 1, total: sum.total + contribution });
    }
  }
  const labels = Object.fromEntries(
    [...byLabel].map(([label, sums]) => [
      label,
      { for: summarize(sums, 1, top), against: summarize(sums, -1, top) },
    ]),
  );
  return { labels, filters: summarizeFilters(explanations, top) };
}
