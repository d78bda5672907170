import { stripVTControlCharacters } from "node:util";

import type { Explanation } from "./explanation.cjs";
import { piecesOf } from "./pieces.cjs";

const ESCAPE = "\u001b[";
/** Of the 256 colours that terminals have: from pale to strong, for the label and against it. */
const FOR = [194, 157, 120, 77, 34];
const AGAINST = [224, 217, 210, 203, 160];
const LEAST = 0.05; // of the largest contribution: below that a token stays plain

function colored(text: string, share: number): string {
  if (Math.abs(share) < LEAST) return text;
  const shades = share > 0 ? FOR : AGAINST;
  const shade = Math.min(shades.length - 1, Math.floor(Math.abs(share) * shades.length));
  const foreground = shade > 2 ? 231 : 16; // white on strong colours, black on pale ones
  return `${ESCAPE}48;5;${String(shades[shade])};38;5;${String(foreground)}m${text}${ESCAPE}0m`;
}

/** What a text says must not steer the terminal. */
function harmless(text: string): string {
  return stripVTControlCharacters(text).replace(/[\p{Control}\u202a-\u202e\u2066-\u2069]/gu, " ");
}

function signed(value: number): string {
  return (value < 0 ? "−" : "+") + Math.abs(value).toFixed(4);
}

/**
 * An explanation in lines for a terminal: the coloured text (green speaks for the label, red against it) and the
 * strongest n-grams, which with the rest and the bias add up to the logit.
 *
 * @param explanation - as {@link BertCnn.explain} gives it
 * @param options - `color`: default true; `top`: n-grams that are listed, default 10
 */
export function formatExplanation(
  explanation: Explanation,
  { color = true, top = 10 }: { color?: boolean; top?: number } = {},
): string {
  const { label, against, logit, bias, ngrams } = explanation;
  const parts = piecesOf(explanation);
  const largest = Math.max(...parts.map((part) => Math.abs(part.contribution)), 0);
  const text = parts.map((part) => {
    const shown = harmless(part.text);
    return color && largest > 0 ? colored(shown, part.contribution / largest) : shown;
  });
  const listed = ngrams.slice(0, top);
  const rest = ngrams.slice(top).reduce((sum, { contribution }) => sum + contribution, 0);
  const lines = listed.map(
    (ngram) =>
      `  ${signed(ngram.contribution)}  ${harmless(ngram.text)}  (without it ${signed(ngram.without)})`,
  );
  if (ngrams.length > top) {
    lines.push(`  ${signed(rest)}  ${String(ngrams.length - top)} others`);
  }
  const what = against === null ? label : `${label} rather than ${against}`;
  return [
    text.join(""),
    `${harmless(what)}: ${signed(logit)}`,
    ...lines,
    `  ${signed(bias)}  bias`,
  ].join("\n");
}
