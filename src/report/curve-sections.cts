import { smooth, smoothingWeight, type Point } from "./curve.cjs";
import { lineChart, type Series } from "./line-chart.cjs";
import { markup, type Html, type Part } from "./markup.cjs";
import { showMetric, showNumber } from "./numbers.cjs";
import type { RunRecord } from "./run-record.cjs";
import { table } from "./table.cjs";

/** Of more metrics the charts are behind a line to be clicked on. */
const MOST_CHARTS = 12;

/** Loss, gradient norm and learning rates over the steps. */
export function trainingCurves(run: RunRecord): Part {
  if (run.steps.length === 0 && run.evaluations.length === 0) {
    return markup`<p>The run took no step.</p>`;
  }
  const gradients = { name: "gradient norm", points: pointsOf(run, (step) => step.gradNorm) };
  const [rates, groups] = learningRates(run);
  return markup`<div class="charts">
${lineChart({ title: "Loss", yLabel: "loss", series: losses(run), mark: bestMark(run) })}
${run.steps.length > 0 && lineChart({ title: "Gradient norm", yLabel: "norm before clipping", series: withSmoothed(gradients, 0) })}
${rates.length > 0 && lineChart({ title: "Learning rates", yLabel: "learning rate", series: rates })}
</div>
${groups}`;
}

type StepValue = (step: RunRecord["steps"][number]) => number;

const pointsOf = ({ steps }: RunRecord, value: StepValue): Point[] =>
  steps.map((step) => [step.step, value(step)]);

/** A long curve is shown pale, and its mean over it. */
function withSmoothed(series: Pick<Series, "name" | "points">, color: number): Series[] {
  const weight = smoothingWeight(series.points.length);
  if (weight === 0) return [{ ...series, color, dots: true }];
  const smoothed = { name: `${series.name}, smoothed`, points: smooth(series.points, weight) };
  return [
    { ...series, color, faint: true },
    { ...smoothed, color, derived: true },
  ];
}

function losses(run: RunRecord): Series[] {
  const series: Series[] = [];
  if (run.steps.length > 0) {
    const points = pointsOf(run, (step) => step.loss);
    series.push(...withSmoothed({ name: "training", points }, 0));
  }
  const points = metricPoints(run, "loss");
  if (points.length > 0) series.push({ name: "evaluation", points, color: 1, dots: true });
  return series;
}

const bestMark = ({ best }: RunRecord) => best && { step: best.step, name: "best step" };

/** Groups with the same learning rates are one curve; the second part says which they are. */
function learningRates(run: RunRecord): [series: Series[], groups: Part] {
  const curves = new Map<string, { names: string[]; points: Point[] }>();
  for (const [i, name] of run.groups.entries()) {
    const points = pointsOf(run, (step) => step.learningRates[i] ?? NaN);
    const key = points.map(([, rate]) => rate).join();
    const known = curves.get(key);
    if (known) known.names.push(name);
    else curves.set(key, { names: [name], points });
  }
  if (run.steps.length === 0) return [[], null];
  const series = [...curves.values()].map(({ names, points }, color): Series => {
    const others = names.length > 1 ? ` and ${String(names.length - 1)} more` : "";
    return { name: `${names[0] ?? ""}${others}`, points, color, dots: true };
  });
  const merged = [...curves.values()].filter(({ names }) => names.length > 1);
  const list = merged.map(({ names }) => markup`<li>${names.join("; ")}</li>`);
  const groups = markup`<details><summary>Groups with the same learning rates</summary><ul>${list}</ul></details>`;
  return [series, merged.length > 0 && groups];
}

function metricPoints({ evaluations }: RunRecord, name: string): Point[] {
  return evaluations.flatMap(({ step, metrics }) => {
    const value = metrics[name] as number | null | undefined;
    return value === undefined ? [] : [[step, value ?? NaN] as const];
  });
}

/** The evaluations' metrics: numbers of the best and the last one, and a chart of each. */
export function metricCurves(run: RunRecord): Part {
  const names = [...new Set(run.evaluations.flatMap(({ metrics }) => Object.keys(metrics)))];
  if (names.length === 0) return markup`<p>The run had no evaluation.</p>`;
  const charts = names.filter((name) => name !== "loss").map((name) => metricChart(run, name));
  const others = charts.slice(MOST_CHARTS);
  return [
    metricTable(run, names),
    markup`<div class="charts small">${charts.slice(0, MOST_CHARTS)}</div>`,
    others.length > 0 &&
      markup`<details><summary>Charts of ${others.length} more metrics</summary><div class="charts small">${others}</div></details>`,
  ];
}

function metricChart(run: RunRecord, name: string): Html {
  const series: Series = { name, points: metricPoints(run, name), color: 1, dots: true };
  return lineChart({ title: name, yLabel: name, series: [series], height: 220, mark: null });
}

function metricTable({ evaluations, best }: RunRecord, names: readonly string[]): Html {
  const last = evaluations.at(-1);
  const kept = best && evaluations.findLast(({ step }) => step === best.step);
  const shown = kept && kept !== last ? [kept, last] : [last];
  const columns = shown.flatMap((evaluation) => {
    if (evaluation === undefined) return [];
    const which = evaluation === kept ? "best, step" : "step";
    return [{ name: `${which} ${showNumber(evaluation.step)}`, numeric: true }];
  });
  const rows = names.map((name) => [
    name,
    ...shown.map((evaluation) => showMetric(evaluation?.metrics[name])),
  ]);
  return table("Evaluation metrics", [{ name: "metric" }, ...columns], rows);
}
