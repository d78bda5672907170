import { markup, type Html, type Part } from "../report/markup.cjs";
import { page, type Section } from "../report/page.cjs";
import { table } from "../report/table.cjs";
import { version } from "../version.cjs";
import type { Explanation } from "./explanation.cjs";

const DIGITS = 4;
const SHADES = 10;

function shown(value: number): string {
  return (value < 0 ? "−" : "") + Math.abs(value).toFixed(DIGITS);
}

/** What a table's shown terms lack of its shown sum, so that it adds up for whoever does the sum; often nothing. */
function roundingOf(terms: readonly number[], total: number): number {
  const units = (value: number) => Math.round(value * 10 ** DIGITS);
  const missing = units(total) - terms.reduce((sum, term) => sum + units(term), 0);
  return missing / 10 ** DIGITS;
}

/** The text, its tokens shaded by what they add: for the label, or against it. */
function shadedText({ text, tokens, ngrams }: Explanation): Html {
  const weights = new Float64Array(text.length);
  for (const { start, end, contribution } of tokens ?? ngrams) {
    for (let i = start; i < end; i++) weights[i] = (weights[i] ?? 0) + contribution;
  }
  const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
  const parts: Part[] = [];
  let begin = 0;
  for (let i = 1; i <= text.length; i++) {
    const weight = weights[begin] ?? 0;
    if (i < text.length && weights[i] === weight) continue;
    const piece = text.slice(begin, i);
    const shade = largest > 0 ? Math.round((SHADES * Math.abs(weight)) / largest) : 0;
    const side = weight < 0 ? "against" : "for";
    parts.push(
      shade === 0
        ? piece
        : markup`<span class="${side} shade${shade}" title="${shown(weight)}">${piece}</span>`,
    );
    begin = i;
  }
  return markup`<p class="explained">${parts}</p>`;
}

function sumTable({ bias, logit, ngrams, label, against }: Explanation): Html {
  const what = against === null ? label : `${label} − ${against}`;
  const rows: Part[][] = ngrams.map(({ text, tokens, filters, contribution, without }) => [
    text,
    tokens.join(" "),
    filters,
    shown(contribution),
    shown(without),
  ]);
  rows.push(["Bias of the classifier", "", "", shown(bias), ""]);
  const rounding = roundingOf([bias, ...ngrams.map(({ contribution }) => contribution)], logit);
  if (rounding !== 0) rows.push(["Rounding", "", "", shown(rounding), ""]);
  rows.push([markup`<b>Logit of ${what}</b>`, "", "", markup`<b>${shown(logit)}</b>`, ""]);
  return table(
    "What adds up to the logit",
    [
      { name: "N-gram" },
      { name: "Tokens" },
      { name: "Filters", numeric: true },
      { name: "Adds", numeric: true },
      { name: "Logit without it", numeric: true },
    ],
    rows,
  );
}

function tokenTable({ tokens, tokenBias, logit }: Explanation): Html | null {
  if (tokens === null || tokenBias === null) return null;
  const adding = tokens.filter(({ contribution }) => contribution !== 0);
  const rows: Part[][] = adding.map(({ token, contribution }) => [token, shown(contribution)]);
  rows.push(["Biases", shown(tokenBias)]);
  const terms = adding.map(({ contribution }) => contribution);
  const rounding = roundingOf([tokenBias, ...terms], logit);
  if (rounding !== 0) rows.push(["Rounding", shown(rounding)]);
  rows.push([markup`<b>Logit</b>`, markup`<b>${shown(logit)}</b>`]);
  const columns = [{ name: "Token" }, { name: "Adds", numeric: true }];
  return markup`<details><summary>The same by token</summary>${table("What each token's hidden state adds", columns, rows)}</details>`;
}

/**
 * Explanations as a self-contained HTML page, light and dark, without scripts: each text shaded by what its tokens add,
 * and a table that adds up to the logit.
 *
 * @param explanations - as {@link BertCnn.explain} gives them
 * @param options - `title`: default "Explanations"
 */
export function explanationPage(
  explanations: readonly Explanation[],
  { title = "Explanations" }: { title?: string } = {},
): string {
  const sections = explanations.map((explanation, i): Section => {
    const { label, against, logit, truncated } = explanation;
    const what = against === null ? label : `${label} rather than ${against}`;
    return {
      id: `text-${String(i + 1)}`,
      title: `${String(i + 1)}. ${what}: ${shown(logit)}`,
      content: [
        shadedText(explanation),
        truncated ? markup`<p class="quiet">Cut to the model's maxLength.</p>` : null,
        sumTable(explanation),
        tokenTable(explanation),
      ],
    };
  });
  const head = markup`<h1>${title}</h1>
<p class="quiet">Blue speaks for the label, orange against it. The sums are exact over the positions of the encoder's
output, not over words: each of these hidden states knows of the whole text. Figures are rounded to ${DIGITS} decimals.</p>`;
  return page(title, head, sections, markup`<p>bertcnn ${version()}</p>`);
}
