import { thin, type Point } from "./curve.cjs";
import { cut, markup, type Html, type Part } from "./markup.cjs";
import { showCount, showNumber } from "./numbers.cjs";
import { coordinate, plot, type LegendEntry, type Place } from "./plot.cjs";
import { fittingScale, stepScale } from "./scale.cjs";

/** A curve by step. */
export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
  /** Which of the curves' colours and dashes; `faint` is the paler one of what is also shown smoothed. */
  readonly color: number;
  readonly faint?: boolean;
  /** Computed from another one, whose gaps it has. */
  readonly derived?: boolean;
  /** Whether each point has a dot of its own: where there are few. */
  readonly dots?: boolean;
}

export interface LineChartOptions {
  readonly title: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** A step to mark, and what it is. */
  readonly mark?: { readonly step: number; readonly name: string } | null;
  readonly height?: number;
}

/** As many as the style sheet has: six colours, each plain, dashed, dotted and both. */
const STYLES = 24;
/** Beyond it dots would hide the curve. */
const MOST_DOTS = 50;
/** Parts of the chart that tell their values under the mouse. */
const MOST_TIPS = 60;

/** A chart of curves over the training steps; values that are not finite are left out and counted. */
export function lineChart({ title, yLabel, series, mark = null, height }: LineChartOptions): Html {
  const thinned = series.map((one) => ({ ...one, points: thin(one.points) }));
  const points = thinned.flatMap((one) => one.points);
  const x = stepScale(points.map(([step]) => step));
  const { scale: y, logarithmic } = fittingScale(points.map(([, value]) => value));
  return plot({
    title,
    description: series.map(describe).join(" "),
    x,
    y,
    xLabel: "step",
    yLabel: logarithmic ? `${yLabel} (logarithmic)` : yLabel,
    ...(height === undefined ? {} : { height }),
    note: gapNote(series),
    legend: series.length > 1 || mark ? legendOf(series, mark) : [],
    draw: (place) => [
      mark && markup`<path class="mark" d="M${place.x(mark.step)} ${place.top}V${place.bottom}"/>`,
      thinned.map((one) => curve(one, place)),
      tips(thinned, place),
    ],
  });
}

const styleOf = ({ color, faint }: Series): string =>
  `curve k${String(color % STYLES)}${faint === true ? " faint" : ""}`;

function legendOf(series: readonly Series[], mark: LineChartOptions["mark"]): LegendEntry[] {
  const entries = series.map((one): LegendEntry => ({
    name: one.name,
    style: styleOf(one),
    shape: "line",
  }));
  if (mark)
    entries.push({ name: `${mark.name} (${showCount(mark.step)})`, style: "mark", shape: "line" });
  return entries;
}

const finitePoints = ({ points }: Series): readonly Point[] =>
  points.filter(([, value]) => Number.isFinite(value));

function describe(series: Series): string {
  const points = finitePoints(series);
  const [first, last] = [points.at(0), points.at(-1)];
  if (first === undefined || last === undefined) return `${series.name}: no values.`;
  const at = ([step, value]: Point) => `${showNumber(value)} at step ${showCount(step)}`;
  return `${series.name}: ${first === last ? at(first) : `from ${at(first)} to ${at(last)}`}.`;
}

function gapNote(series: readonly Series[]): Part {
  const gaps = series
    .filter(
      ({ derived, points }) => derived !== true && points.some(([, y]) => !Number.isFinite(y)),
    )
    .map((one) => {
      const missing = one.points.length - finitePoints(one).length;
      return `${one.name}: ${showCount(missing)} of ${showCount(one.points.length)} values are not finite.`;
    });
  return gaps.length > 0 ? gaps.join(" ") : null;
}

function curve(series: Series, place: Place): Html {
  let path = "";
  let drawing = false;
  for (const [step, value] of series.points) {
    const finite = Number.isFinite(value);
    // A line of no length makes a dot, should the next point be a gap.
    if (finite)
      path += `${drawing ? "L" : "M"}${place.x(step)} ${place.y(value)}${drawing ? "" : "h0"}`;
    drawing = finite;
  }
  const points = finitePoints(series);
  const dots = series.dots === true && points.length <= MOST_DOTS;
  return markup`<path class="${styleOf(series)}" d="${path}"/>${
    dots &&
    markup`<path class="${styleOf(series)} dots" d="${points.map(([step, value]) => `M${place.x(step)} ${place.y(value)}h0`).join("")}"/>`
  }`;
}

/** Invisible columns side by side, each with the last values of the steps that it covers. */
function tips(series: readonly Series[], place: Place): Part {
  const steps = [...new Set(series.flatMap(({ points }) => points.map(([step]) => step)))];
  steps.sort((a, b) => a - b);
  const count = Math.min(MOST_TIPS, steps.length);
  const firsts = Array.from({ length: count }, (_, i) => Math.floor((i * steps.length) / count));
  const border = (index: number): number =>
    (Number(place.x(steps[index - 1] ?? NaN)) + Number(place.x(steps[index] ?? NaN))) / 2;
  return firsts.map((first, i) => {
    const next = firsts[i + 1] ?? steps.length;
    const left = i === 0 ? place.left : border(first);
    const right = next === steps.length ? place.right : border(next);
    const range = [steps[first] ?? NaN, steps[next - 1] ?? NaN] as const;
    return markup`<rect class="tip" x="${coordinate(left)}" y="${place.top}" width="${coordinate(right - left)}" height="${place.bottom - place.top}"><title>${tip(series, range)}</title></rect>`;
  });
}

function tip(series: readonly Series[], [from, to]: readonly [number, number]): string {
  const values = series.flatMap(({ name, points }) => {
    const last = points.findLast(([step]) => step >= from && step <= to);
    return last === undefined ? [] : [`${cut(name, 80)}: ${showNumber(last[1])}`];
  });
  const steps = from === to ? showCount(from) : `${showCount(from)} to ${showCount(to)}`;
  return [`step ${steps}`, ...values].join("\n");
}
