import type { Explanation } from "./explanation.cjs";

/** A stretch of a text whose characters all have the same share in the logit. */
export interface Piece {
  readonly text: string;
  readonly contribution: number;
}

/** The text, each piece with what its tokens add; of other activations than ReLU with the n-grams' shares. */
export function piecesOf({ text, tokens, ngrams }: Explanation): Piece[] {
  const weights = new Float64Array(text.length);
  const spread = (start: number, end: number, contribution: number) => {
    for (let i = start; i < end; i++) weights[i] = (weights[i] ?? 0) + contribution;
  };
  for (const { start, end, contribution } of tokens ?? ngrams) spread(start, end, contribution);
  const found: Piece[] = [];
  let begin = 0;
  for (let i = 1; i <= text.length; i++) {
    if (i < text.length && weights[i] === weights[begin]) continue;
    found.push({ text: text.slice(begin, i), contribution: weights[begin] ?? 0 });
    begin = i;
  }
  return found;
}
