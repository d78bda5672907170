/** The chart: horizontal bars as SVG, readable on light and on dark pages. */

/**
 * @typedef {object} Bar
 * @property {string} label
 * @property {string} note
 * @property {number} value
 * @property {boolean} ours
 *
 * @typedef {object} Panel
 * @property {string} title
 * @property {{ title: string, bars: Bar[] }[]} groups
 */

const WIDTH = 880;
const EDGE = 16;
const LABELS = EDGE + 150; // left of the bars
const VALUES = 250; // right of the longest bar: its value and note
const BAR = { height: 16, step: 24 };
const GAPS = { top: 78, panel: 30, group: 30, bottom: 12 };

const STYLE = `
    text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
    .title { font-size: 16px; font-weight: 600; }
    .panel { font-size: 14px; font-weight: 600; }
    .note, .group { fill: #59636e; }
    .page { fill: #ffffff; }
    .ours-text { font-weight: 600; }
    .bar { fill: #a5b0bd; }
    .ours { fill: #2563c9; }
    .line { stroke: #59636e; stroke-width: 1; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .note, .group { fill: #a3adb8; }
      .page { fill: #0d1117; }
      .bar { fill: #59636e; }
      .ours { fill: #5b9bff; }
      .line { stroke: #a3adb8; }
    }`;

/** @param {string} title @param {string} subtitle @param {readonly Panel[]} panels */
export function chart(title, subtitle, panels) {
  const bars = panels.flatMap(({ groups }) => groups.flatMap((group) => group.bars));
  const scale = (WIDTH - LABELS - VALUES) / Math.max(1, ...bars.map(({ value }) => value));
  const parts = [text(EDGE, 32, title, "title"), text(EDGE, 54, subtitle, "note")];
  let y = GAPS.top;
  for (const panel of panels) {
    parts.push(text(EDGE, y + 14, panel.title, "panel"));
    y += GAPS.panel;
    for (const group of panel.groups) {
      parts.push(...drawGroup(group, y, scale));
      y += GAPS.group + group.bars.length * BAR.step;
    }
  }
  const height = y + GAPS.bottom;
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-labelledby="title description">`,
    `  <title id="title">${escaped(title)}</title>`,
    `  <desc id="description">${escaped(describe(panels))}</desc>`,
    `  <style>${STYLE}\n  </style>`,
    // A ground of its own: where a renderer knows no colour schemes, dark text is on white all the same.
    `  <rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    ...parts.map((part) => `  ${part}`),
    "</svg>\n",
  ].join("\n");
}

function drawGroup({ title, bars }, top, scale) {
  const parts = [text(LABELS, top + 12, title, "group")];
  const first = top + 20;
  for (const [index, { label, note, value, ours }] of bars.entries()) {
    const y = first + index * BAR.step;
    const width = Math.max(1, value * scale);
    const middle = y + BAR.height - 3;
    const emphasis = ours ? "ours-text" : "";
    parts.push(
      text(LABELS - 10, middle, label, emphasis, "end"),
      `<rect class="${ours ? "bar ours" : "bar"}" x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR.height}" rx="2"/>`,
      `<text x="${(LABELS + width + 8).toFixed(1)}" y="${middle}"><tspan class="${emphasis}">${value.toFixed(1)}x</tspan><tspan class="note" dx="8">${escaped(note)}</tspan></text>`,
    );
  }
  const bottom = first + (bars.length - 1) * BAR.step + BAR.height + 3;
  parts.push(`<path class="line" d="M${LABELS} ${first - 3}V${bottom}"/>`);
  return parts;
}

function text(x, y, content, style, anchor = "start") {
  const kind = style === "" ? "" : ` class="${style}"`;
  return `<text x="${x}" y="${y}"${kind} text-anchor="${anchor}">${escaped(content)}</text>`;
}

/** The same in words, for those who do not see it. */
function describe(panels) {
  const sentences = panels.flatMap(({ title, groups }) =>
    groups.map((group) => {
      const bars = group.bars.map(({ label, value }) => `${label} ${value.toFixed(1)}`);
      return `${title}, ${group.title}: ${bars.join(", ")}.`;
    }),
  );
  return sentences.join(" ");
}

function escaped(content) {
  return content
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
