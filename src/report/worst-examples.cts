import { cut, markup, type Html, type Part } from "./markup.cjs";
import { showNumber, showShare } from "./numbers.cjs";
import { highestLosses, rowLosses, rowScores, rowTargets } from "./row-losses.cjs";
import type { RunEvaluation } from "./run-record.cjs";

const MOST_EXAMPLES = 20;
const MOST_CHARACTERS = 300;
const MOST_LABELS = 10;

/** The rows with the highest losses: text, target, prediction. */
export function worstExamples(evaluation: RunEvaluation): Html {
  const losses = rowLosses(evaluation);
  const items = highestLosses(losses, MOST_EXAMPLES).map((row) => {
    const text = evaluation.texts[row] ?? "";
    return markup`<li><p class="text"><bdi>${text === "" ? markup`<i>(empty text)</i>` : cut(text, MOST_CHARACTERS)}</bdi></p>
<dl>${outcome(evaluation, row)}<div><dt>loss</dt><dd>${showNumber(losses[row])}</dd></div></dl></li>
`;
  });
  return markup`<ol class="examples">${items}</ol>`;
}

function outcome(evaluation: RunEvaluation, row: number): Part {
  const entry = (name: string, value: Part) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`;
  const [target, prediction] = outcomes[evaluation.problemType](evaluation, row);
  return [entry("target", target), entry("prediction", prediction)];
}

type Outcome = (evaluation: RunEvaluation, row: number) => [target: Part, prediction: Part];

const outcomes: Record<RunEvaluation["problemType"], Outcome> = {
  single_label_classification: (evaluation, row) => {
    const scores = rowScores(evaluation, row);
    const target = evaluation.targets[row] ?? 0;
    const best = scores.indexOf(Math.max(...scores.filter(Number.isFinite)));
    return [named(evaluation, target, scores), best < 0 ? "none" : named(evaluation, best, scores)];
  },
  multi_label_classification: (evaluation, row) => {
    const scores = rowScores(evaluation, row);
    const targets = rowTargets(evaluation, row);
    const given = Array.from(scores, (score, i) => score >= (evaluation.thresholds?.[i] ?? 0.5));
    const wanted = Array.from(targets, (target) => target >= 0.5);
    return [several(evaluation, wanted, scores), several(evaluation, given, scores)];
  },
  regression: (evaluation, row) => {
    const scores = rowScores(evaluation, row);
    const targets = rowTargets(evaluation, row);
    return [numbers(evaluation, targets), numbers(evaluation, scores)];
  },
};

/** A label with its probability. */
function named({ labels }: RunEvaluation, label: number, scores: ArrayLike<number>): Html {
  return markup`<bdi>${cut(labels[label] ?? "", 60)}</bdi> <small>${showShare(scores[label])}</small>`;
}

const separated = (parts: readonly Part[], separator: string): Part =>
  parts.map((part, i) => (i === 0 ? part : [separator, part]));

/** The chosen labels, each with its probability. */
function several(
  evaluation: RunEvaluation,
  chosen: readonly boolean[],
  scores: ArrayLike<number>,
): Part {
  const labels = chosen.flatMap((is, label) => (is ? [label] : []));
  if (labels.length === 0) return "none";
  const shown = labels.slice(0, MOST_LABELS).map((label) => named(evaluation, label, scores));
  const more = labels.length - shown.length;
  return separated(more > 0 ? [...shown, `${String(more)} more`] : shown, ", ");
}

function numbers({ labels }: RunEvaluation, values: ArrayLike<number>): Part {
  const shown = Array.from(values).slice(0, MOST_LABELS);
  if (values.length === 1) return showNumber(shown[0]);
  const parts = shown.map(
    (value, i) => markup`<bdi>${cut(labels[i] ?? "", 60)}</bdi> ${showNumber(value)}`,
  );
  const more = values.length - shown.length;
  return separated(more > 0 ? [...parts, `${String(more)} more`] : parts, ", ");
}
