/** Okabe and Ito's colours (Color Universal Design, 2008), darker or lighter so that they stand out from the ground. */
const LIGHT_CURVES = ["#0072b2", "#c24e00", "#00795a", "#a3487c", "#7a6200", "#4f5b66"];
const DARK_CURVES = ["#56b4e9", "#f08c4b", "#2fc39a", "#e29ac3", "#e6c34a", "#a9b4be"];

/** Of the n-th six curves: colours repeat, dashes tell them apart. */
const DASHES = ["none", "7 4", "2 4", "9 4 2 4"];

const LIGHT = `--ground:#fff;--raised:#f6f7f9;--text:#1b1f24;--quiet:#57606a;--line:#d5dae0;--accent:#0072b2;${variables(LIGHT_CURVES)}color-scheme:light`;
const DARK = `--ground:#14171b;--raised:#1c2026;--text:#e8eaed;--quiet:#a4adb8;--line:#343b45;--accent:#56b4e9;${variables(DARK_CURVES)}color-scheme:dark`;

function variables(colors: readonly string[]): string {
  return colors.map((color, i) => `--k${String(i)}:${color};`).join("");
}

function curves(): string {
  const rule = (i: number) =>
    `.k${String(i)}{stroke:var(--k${String(i % LIGHT_CURVES.length)});stroke-dasharray:${DASHES[Math.floor(i / LIGHT_CURVES.length)] ?? ""}}`;
  return Array.from({ length: LIGHT_CURVES.length * DASHES.length }, (_, i) => rule(i)).join("\n");
}

/** Pale enough at its darkest that the text on it keeps its contrast. */
function shades(): string {
  const rule = (i: number) =>
    `.shade${String(i)}{background:color-mix(in srgb,var(--shade,var(--accent)) ${String(5 * i)}%,transparent)}`;
  return Array.from({ length: 10 }, (_, i) => rule(i + 1)).join("\n");
}

/** The style sheet of a report. Sizes inside of drawings are larger where the drawing is shown smaller. */
export const STYLE = `
:root{${LIGHT}}
@media screen and (prefers-color-scheme:dark){:root{${DARK}}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1.5rem clamp(1rem,4vw,2.5rem) 4rem;background:var(--ground);color:var(--text);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem}
h2{font-size:1.25rem;margin:0 0 1rem}
h3{font-size:1rem;margin:0}
p{margin:0 0 1rem}
a{color:var(--accent)}
section{margin-top:3rem}
section>h3{margin:2rem 0 1rem}
.quiet,figcaption p,caption,dt,small,footer{color:var(--quiet)}
nav ul,.legend,.examples{list-style:none;margin:0;padding:0}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-top:1.5rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:1rem;margin:1.5rem 0 0}
.tiles div{background:var(--raised);border-radius:.5rem;padding:.75rem 1rem}
.tiles dt{font-size:.875rem}
.tiles dd{margin:0;font-size:1.375rem;font-weight:600;line-height:1.3;font-variant-numeric:tabular-nums}
.tiles small{display:block;font-size:.8125rem;font-weight:400}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,27rem),1fr));gap:2.5rem 2rem}
.charts.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr))}
.chart{margin:0;min-width:0;break-inside:avoid}
.charts>.chart{max-width:38rem}
figcaption{margin-bottom:.5rem}
figcaption p{margin:.25rem 0 0;font-size:.875rem}
.chart>svg{display:block;width:100%;height:auto}
.chart text{font-size:13px;fill:var(--quiet);font-variant-numeric:tabular-nums}
@media (min-width:36rem){.charts:not(.small) text{font-size:11.5px}}
.grid,.axis,.mark,.ideal,.curve,.points{fill:none;stroke-linejoin:round;stroke-linecap:round;vector-effect:non-scaling-stroke}
.grid{stroke:var(--line);stroke-width:1;opacity:.6}
.axis{stroke:var(--quiet);stroke-width:1}
.mark{stroke:var(--quiet);stroke-width:1.25;stroke-dasharray:3 4}
.ideal{stroke:var(--quiet);stroke-width:1.5;stroke-dasharray:6 4}
.curve{stroke-width:2}
.curve.faint{stroke-width:1;opacity:.4}
.curve.dots{stroke-width:7;stroke-dasharray:none}
.points{stroke:var(--k0);stroke-width:5;opacity:.6}
.bar{fill:var(--k0);opacity:.3;stroke:var(--k0)}
.tip{fill:transparent;stroke:none}
.tip:hover{fill:var(--quiet);fill-opacity:.12}
${curves()}
.legend{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-top:.5rem;font-size:.875rem}
.legend li{display:flex;align-items:center;gap:.5rem}
.swatch{flex:none;width:24px;height:14px}
.swatch .faint{stroke-width:2}
.scroll{overflow-x:auto;margin:0 0 1.5rem;max-width:100%}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;font-size:.9375rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:.5rem;font-size:.875rem}
th,td{padding:.375rem .75rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;overflow-wrap:normal}
th:first-child,td:first-child{padding-left:0}
th:last-child,td:last-child{padding-right:0}
thead th{font-weight:600;color:var(--quiet);border-bottom-width:2px;white-space:nowrap}
tbody th{font-weight:500;max-width:min(20rem,36vw);overflow-wrap:break-word}
td.text{min-width:8rem;overflow-wrap:anywhere}
@media (max-width:30rem){th,td{padding:.375rem .3rem}table{font-size:.875rem}}
.number{text-align:right;white-space:nowrap}
.matrix{font-size:.875rem}
.matrix caption{min-width:min(26rem,80vw)}
.matrix caption span{display:inline-block;position:sticky;left:0;max-width:84vw}
.matrix th,.matrix td{border:1px solid var(--line);padding:.375rem .5rem;vertical-align:middle}
.matrix thead td{border:0}
.matrix thead th{text-align:center;vertical-align:bottom}
.matrix tbody th{position:sticky;left:0;background:var(--ground);padding-left:.5rem;max-width:min(11rem,30vw)}
.matrix tbody td{text-align:center;white-space:nowrap;min-width:3.75rem}
.matrix b,.matrix small{display:block;line-height:1.3}
.matrix b{font-weight:500}
.matrix small{color:inherit;font-size:.75rem;opacity:.85}
.matrix .right{outline:2px solid var(--accent);outline-offset:-2px}
.matrix .right b{font-weight:700}
.narrow{font-size:.8125rem}
.narrow tbody td{min-width:2.75rem;padding:.25rem}
.narrow thead span{writing-mode:vertical-rl;transform:rotate(180deg);text-align:left}
${shades()}
.explained{white-space:pre-line;line-height:1.9;font-size:1.0625rem}
.explained span{border-radius:.2rem}
.explained .for{--shade:var(--k0)}
.explained .against{--shade:var(--k1)}
.examples li{border-top:1px solid var(--line);padding:1rem 0;break-inside:avoid}
.examples .text{margin:0 0 .5rem;white-space:pre-line}
.examples dl{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:0;font-size:.9375rem}
.examples dl div{display:flex;gap:.5rem}
.examples dt{flex:none}
dd{margin:0}
details{margin-top:1.5rem}
summary{cursor:pointer;font-weight:600}
details>*+*{margin-top:1rem}
pre{margin:0;padding:1rem;background:var(--raised);border-radius:.5rem;font-size:.8125rem;line-height:1.5}
footer{margin-top:4rem;font-size:.875rem}
@media print{body{max-width:none;padding:0;font-size:10pt}nav{display:none}section{margin-top:1.5rem}
.scroll{overflow:visible}.matrix tbody th{position:static}
.charts:not(.small) text{font-size:11.5px}.charts,.charts.small{grid-template-columns:repeat(2,1fr);gap:1.5rem}
.narrow{font-size:6.5pt}.narrow tbody td{min-width:0;padding:1pt}.narrow small{font-size:.9em}h2,h3{break-after:avoid}tr{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
