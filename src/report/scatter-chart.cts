import { markup, type Html, type Part } from "./markup.cjs";
import { showCount, showNumber } from "./numbers.cjs";
import { plot } from "./plot.cjs";
import { extent, rangeScale } from "./scale.cjs";

/** A row's target and prediction. */
export type Pair = readonly [target: number, prediction: number];

/** More dots would hide each other and make the page large. */
const MOST_DOTS = 1500;
/** The largest errors are all among the dots, and tell their values under the mouse. */
const NAMED = 25;

const isFinitePair = ([target, prediction]: Pair): boolean =>
  Number.isFinite(target) && Number.isFinite(prediction);

const error = ([target, prediction]: Pair): number => Math.abs(prediction - target);

/** Predictions over targets on equal axes, with the line on which they are the same. */
export function scatterChart(title: string, pairs: readonly Pair[], note: Part): Html {
  const finite = pairs.filter(isFinitePair).sort((a, b) => error(b) - error(a));
  const shown = evenly(finite);
  const scale = rangeScale(finite.flat());
  const [low, high] = extent(finite.flat());
  const missing = pairs.length - finite.length;
  return plot({
    title,
    description: `${showCount(finite.length)} rows; targets and predictions from ${showNumber(low)} to ${showNumber(high)}.`,
    note: markup`${note} ${missing > 0 && `${showCount(missing)} of ${showCount(pairs.length)} rows are not finite.`} ${shown.length < finite.length && `${showCount(shown.length)} of ${showCount(finite.length)} rows are drawn, the largest errors among them.`}`,
    x: scale,
    y: scale,
    xLabel: "target",
    yLabel: "prediction",
    height: 400,
    legend: [
      { name: "a row", style: "points", shape: "dot" },
      { name: "prediction = target", style: "ideal", shape: "line" },
    ],
    draw: (place) => [
      markup`<path class="ideal" d="M${place.x(low)} ${place.y(low)}L${place.x(high)} ${place.y(high)}"/><path class="points" d="${shown.map(([target, prediction]) => `M${place.x(target)} ${place.y(prediction)}h0`).join("")}"/>`,
      finite
        .slice(0, NAMED)
        .map(
          ([target, prediction]) =>
            markup`<circle class="tip" cx="${place.x(target)}" cy="${place.y(prediction)}" r="5"><title>${`target ${showNumber(target)}\nprediction ${showNumber(prediction)}`}</title></circle>`,
        ),
    ],
  });
}

/** All, or the largest errors and every so many-th of the others. */
function evenly(sorted: readonly Pair[]): readonly Pair[] {
  if (sorted.length <= MOST_DOTS) return sorted;
  const others = sorted.slice(NAMED);
  const every = others.length / (MOST_DOTS - NAMED);
  const places = Array.from({ length: MOST_DOTS - NAMED }, (_, i) => Math.floor(i * every));
  return [
    ...sorted.slice(0, NAMED),
    ...places.map((place) => others[place]).filter((pair) => pair !== undefined),
  ];
}
