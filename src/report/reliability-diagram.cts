import type { Reliability, ReliabilityBin } from "../metrics/reliability.cjs";
import { markup, type Html } from "./markup.cjs";
import { showCount, showNumber, showShare } from "./numbers.cjs";
import { coordinate, plot, type Place } from "./plot.cjs";
import { linearScale } from "./scale.cjs";

/**
 * How often predictions are right, by how sure the model is; Guo et al., On Calibration of Modern Neural Networks, 2017.
 * The width of a bar's foot says nothing; its dot stands at the mean probability.
 */
export function reliabilityDiagram({ bins, ece }: Reliability, yLabel: string): Html {
  const filled = bins.filter(({ count }) => count > 0);
  const total = filled.reduce((rows, { count }) => rows + count, 0);
  return plot({
    title: "Reliability",
    description: `Expected calibration error ${showShare(ece)} over ${showCount(total)} predictions.`,
    note: markup`Expected calibration error <b>${showShare(ece)}</b>. On the diagonal, probabilities hold what they promise; below it the model is too sure.`,
    x: linearScale(0, 1),
    y: linearScale(0, 1),
    xLabel: "probability",
    yLabel,
    height: 300,
    legend: [
      { name: yLabel, style: "bar", shape: "box" },
      { name: "at the mean probability", style: "curve k0 dots", shape: "dot" },
      { name: "perfectly calibrated", style: "ideal", shape: "line" },
    ],
    draw: (place) => [
      filled.map((bin) => bar(bin, place)),
      markup`<path class="ideal" d="M${place.x(0)} ${place.y(0)}L${place.x(1)} ${place.y(1)}"/>`,
      filled.map((bin) => dot(bin, place)),
    ],
  });
}

function bar({ lower, upper, accuracy }: ReliabilityBin, place: Place): Html {
  const [left, right, top] = [place.x(lower), place.x(upper), place.y(accuracy)].map(Number);
  const [x = 0, end = 0, y = 0] = [left, right, top];
  return markup`<rect class="bar" x="${x}" y="${y}" width="${coordinate(end - x)}" height="${coordinate(place.bottom - y)}"/>`;
}

function dot({ lower, upper, count, confidence, accuracy }: ReliabilityBin, place: Place): Html {
  const title = [
    `probability ${showNumber(lower)} to ${showNumber(upper)}: ${showCount(count)} predictions`,
    `mean probability ${showShare(confidence)}, right ${showShare(accuracy)}`,
  ];
  const [left, right] = [Number(place.x(lower)), Number(place.x(upper))];
  return markup`<path class="curve k0 dots" d="M${place.x(confidence)} ${place.y(accuracy)}h0"/>
<rect class="tip" x="${left}" y="${place.top}" width="${coordinate(right - left)}" height="${place.bottom - place.top}"><title>${title.join("\n")}</title></rect>`;
}
