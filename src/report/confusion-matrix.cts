import { cut, markup, type Html } from "./markup.cjs";
import { showCount, showPercent } from "./numbers.cjs";
import { scrolling, table } from "./table.cjs";

/** Rows with a target (first index) that got a prediction (second index). */
export type ConfusionCounts = readonly (readonly number[])[];

/** Beyond it a matrix is too large to be read, and the page too large to be sent. */
const MOST_LABELS = 40;
const MOST_CONFUSIONS = 30;
/** From here on the columns' names stand upright. */
const NARROW = 6;

const sum = (counts: readonly number[]): number =>
  counts.reduce((total, count) => total + count, 0);

/** Counts and shares of the target's rows; of very many labels the most frequent confusions instead. */
export function confusionMatrix(labels: readonly string[], counts: ConfusionCounts): Html {
  return labels.length > MOST_LABELS ? confusions(labels, counts) : matrix(labels, counts);
}

function matrix(labels: readonly string[], counts: ConfusionCounts): Html {
  const caption = "Confusion matrix: rows by target, columns by prediction";
  const head = labels.map(
    (label) => markup`<th scope="col" title="${label}"><span>${cut(label, 20)}</span></th>`,
  );
  const rows = labels.map((label, target) => {
    const row = counts[target] ?? [];
    const total = sum(row);
    const cells = labels.map((_, predicted) => {
      const count = row[predicted] ?? 0;
      const share = total > 0 ? count / total : 0;
      const place = predicted === target ? "right" : "wrong";
      return markup`<td class="${place} shade${Math.round(10 * share)}"><b>${showCount(count)}</b><small>${showPercent(total > 0 ? share : NaN)}</small></td>`;
    });
    return markup`<tr><th scope="row" title="${label}">${cut(label, 20)}</th>${cells}</tr>\n`;
  });
  const narrow = labels.length >= NARROW && " narrow";
  return scrolling(
    caption,
    markup`<table class="matrix${narrow}"><caption><span>${caption}; the share is of the row.</span></caption>
<thead><tr><td></td>${head}</tr></thead><tbody>${rows}</tbody></table>`,
  );
}

function confusions(labels: readonly string[], counts: ConfusionCounts): Html {
  const pairs = counts.flatMap((row, target) => {
    const total = sum(row);
    return row.map((count, predicted) => ({ target, predicted, count, total }));
  });
  const wrong = pairs.filter(({ target, predicted, count }) => target !== predicted && count > 0);
  wrong.sort((a, b) => b.count - a.count);
  const shown = wrong.slice(0, MOST_CONFUSIONS);
  return table(
    `Most frequent confusions: ${showCount(shown.length)} of ${showCount(wrong.length)}`,
    [
      { name: "target" },
      { name: "prediction" },
      { name: "rows", numeric: true },
      { name: "share of target", numeric: true },
    ],
    shown.map(({ target, predicted, count, total }) => [
      cut(labels[target] ?? "", 80),
      cut(labels[predicted] ?? "", 80),
      showCount(count),
      showPercent(count / total),
    ]),
  );
}
