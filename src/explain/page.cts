import { markup, type Html, type Part } from "../report/markup.cjs";
import { page, type Section } from "../report/page.cjs";
import { table } from "../report/table.cjs";
import { version } from "../version.cjs";
import type { Explanation } from "./explanation.cjs";
import { piecesOf } from "./pieces.cjs";

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
function shadedText(explanation: Explanation): Html {
  const pieces = piecesOf(explanation);
  const largest = Math.max(...pieces.map(({ contribution }) => Math.abs(contribution)), 0);
  const parts = pieces.map(({ text, contribution }): Part => {
    const shade = largest > 0 ? Math.round((SHADES * Math.abs(contribution)) / largest) : 0;
    if (shade === 0) return text;
    const side = contribution < 0 ? "against" : "for";
    return markup`<span class="${side} shade${shade}" title="${shown(contribution)}">${text}</span>`;
  });
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
