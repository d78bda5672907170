import { cut, markup, type Html, type Part } from "./markup.cjs";
import type { Scale } from "./scale.cjs";

/** In units of the drawing, which the page stretches to the room there is. */
const WIDTH = 440;
const MARGIN = { left: 64, right: 14, top: 26, bottom: 46 };

/** The coordinates of a value on each axis, as text with one decimal. */
export interface Place {
  x(value: number): string;
  y(value: number): string;
  /** The plot's bounds. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface PlotOptions {
  readonly title: string;
  /** What one would tell somebody who cannot see it. */
  readonly description: string;
  readonly x: Scale;
  readonly y: Scale;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly height?: number;
  readonly draw: (place: Place) => Part;
  /** Between title and drawing. */
  readonly note?: Part;
  readonly legend?: readonly LegendEntry[];
}

/** `style` is a class of the style sheet for what the legend explains. */
export interface LegendEntry {
  readonly name: string;
  readonly style: string;
  readonly shape: "line" | "box" | "dot";
}

/** One decimal is finer than a screen shows. */
export const coordinate = (value: number): string => String(Math.round(value * 10) / 10);

/** A titled figure: axes with ticks and labels, what `draw` draws between them, a legend. */
export function plot(options: PlotOptions): Html {
  const { title, description, note, legend = [], height = 270 } = options;
  const box = `0 0 ${String(WIDTH)} ${String(height)}`;
  return markup`<figure class="chart">
<figcaption><h3>${cut(title, 80)}</h3>${note !== undefined && markup`<p>${note}</p>`}</figcaption>
<svg role="img" aria-label="${`${cut(title, 80)}. ${description}`}" viewBox="${box}">${drawing(options, height)}</svg>
${legend.length > 0 && markup`<ul class="legend">${legend.map(legendItem)}</ul>`}
</figure>
`;
}

function drawing({ x, y, xLabel, yLabel, draw }: PlotOptions, height: number): Html {
  const { left, top } = MARGIN;
  const right = WIDTH - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const place: Place = {
    x: (value) => coordinate(left + x.position(value) * (right - left)),
    y: (value) => coordinate(bottom - y.position(value) * (bottom - top)),
    left,
    right,
    top,
    bottom,
  };
  const columns = x.ticks.map(
    ({ value, label }) =>
      markup`<path class="grid" d="M${place.x(value)} ${top}V${bottom}"/><text class="tick" x="${place.x(value)}" y="${bottom + 17}" text-anchor="middle">${label}</text>`,
  );
  const rows = y.ticks.map(
    ({ value, label }) =>
      markup`<path class="grid" d="M${left} ${place.y(value)}H${right}"/><text class="tick" x="${left - 7}" y="${place.y(value)}" dy=".35em" text-anchor="end">${label}</text>`,
  );
  return markup`${columns}${rows}
<path class="axis" d="M${left} ${top}V${bottom}H${right}"/>
<text class="label" x="4" y="13">${cut(yLabel, 50)}</text>
<text class="label" x="${right}" y="${height - 6}" text-anchor="end">${xLabel}</text>
${draw(place)}`;
}

function legendItem({ name, style, shape }: LegendEntry): Html {
  const shapes = {
    line: markup`<path class="${style}" d="M2 7H22"/>`,
    box: markup`<rect class="${style}" x="4" y="1" width="16" height="12"/>`,
    dot: markup`<path class="${style}" d="M12 7h0"/>`,
  };
  return markup`<li><svg class="swatch" viewBox="0 0 24 14" aria-hidden="true">${shapes[shape]}</svg>${cut(name, 80)}</li>`;
}
