/** The measured part of docs/performance.md: what is between its markers is written from a run's results. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { root, SetupError } from "../../setup/project.mjs";
import { chart } from "./chart.mjs";
import { goalsOf, outcome } from "./goals.mjs";
import { PRECISIONS } from "./results.mjs";
import {
  accuracyTable,
  chartPanels,
  detailTable,
  machineLines,
  memoryTable,
  overviewTables,
  systemLines,
  WAYS_EXPLAINED,
} from "./report.mjs";
import { asMarkdown } from "./table.mjs";

const PAGE = path.join(root, "docs", "performance.md");
const CHART = path.join(root, "docs", "performance.svg");
const BEGIN = "<!-- measured: npm run bench -- --docs -->";
const END = "<!-- end of what is measured -->";

/** Puts `content` between the markers of `page`. @param {string} page @param {string} content @param {string} first */
export function replaceMeasured(page, content, first = BEGIN) {
  const begin = page.indexOf(first);
  const end = page.indexOf(END, begin);
  if (begin < 0 || end < 0) {
    throw new Error(`Expected the lines '${first}' and '${END}', in this order, in the page`);
  }
  return `${page.slice(0, begin + first.length)}\n\n${content.trim()}\n\n${page.slice(end)}`;
}

export function drawChart(results) {
  const title = "Texts a second, as multiples of the PyTorch prototype's";
  const subtitle =
    "which is in float32 and in arrival order; each system in its fastest way; longer is faster";
  return chart(title, subtitle, chartPanels(results));
}

/** @param {object} results */
export function measuredMarkdown(results) {
  const parts = [
    "![Bars: texts a second of each system beside the PyTorch prototype's](performance.svg)",
    list(machineLines(results)),
    "### How many times as fast bertcnn is",
    `Medians of ${results.rounds} rounds, with the extremes in brackets. Each system is in its fastest way, in the ` +
      "precision that heads the table.",
    ...overviewTables(results).map(asMarkdown),
    list(results.workloads.map((workload) => `\`${workload.name}\`: ${toldOf(workload, results)}`)),
    ...details(results),
    ...accuracy(results),
    "### Memory",
    "Resident memory of each process after loading, and its peak while it computed.",
    asMarkdown(memoryTable(results)),
    "### Versions and settings",
    list(systemLines(results)),
    "### Goals",
    asMarkdown(goalTable(results)),
  ];
  const absent = results.leftOut.map(({ name, reason }) => `${name}: ${reason}`);
  if (absent.length > 0) parts.push("Left out:", list(absent));
  return parts.join("\n\n");
}

const list = (lines) => lines.map((line) => `- ${line}`).join("\n");

function toldOf({ title, texts, tokens, model }, { models }) {
  const { title: name } = models.find((each) => each.name === model);
  return `${name}; ${title}; ${texts} texts, ${tokens} tokens`;
}

function details(results) {
  return results.workloads
    .filter(({ kind }) => kind === "bulk")
    .flatMap((workload) => [
      `### All ways of \`${workload.name}\``,
      `\`~\`: slower than the system's fastest way, and given up after few rounds; ${WAYS_EXPLAINED}.`,
      ...PRECISIONS.filter((precision) =>
        workload.entries.some((entry) => entry.precision === precision),
      ).map((precision) => asMarkdown(detailTable(results, workload, precision))),
    ]);
}

function accuracy(results) {
  if (results.accuracy.length === 0) return [];
  return [
    "### Accuracy",
    `Outputs for ${results.accuracy[0].texts} sentences beside PyTorch's in float32, text by text.`,
    asMarkdown(accuracyTable(results)),
  ];
}

function goalTable(results) {
  const cell = (value, unit) =>
    value === null ? "" : `${value.toFixed(unit === "x" ? 2 : 1)} ${unit}`;
  const rows = goalsOf(results).map((goal) => [
    goal.title,
    cell(goal.got, goal.unit),
    `${goal.bound === "least" ? "at least" : "at most"} ${cell(goal.wanted, goal.unit)}`,
    outcome(goal),
  ]);
  return { head: ["", "measured", "goal", ""], rows };
}

/** Writes the page and its chart, formatted as all pages are. */
export async function writeDocs(results) {
  if (results.quick) throw new SetupError("--docs: a quick run tells no speed; leave out --quick.");
  const prettier = await import("prettier");
  const page = replaceMeasured(readFileSync(PAGE, "utf8"), measuredMarkdown(results));
  const style = await prettier.resolveConfig(PAGE);
  writeFileSync(PAGE, await prettier.format(page, { ...style, parser: "markdown" }));
  writeFileSync(CHART, drawChart(results));
}
