/** What is told of the runs: scores with their spread, and how long bertcnn took beside the prototype. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

import { replaceMeasured } from "../bench/peers/docs.mjs";
import { pairedRatio } from "../bench/peers/statistics.mjs";
import { asMarkdown } from "../bench/peers/table.mjs";
import { root } from "../setup/project.mjs";

/** By how much bertcnn's mean score may stay behind the prototype's of the same precision. */
const TOLERANCE = 0.01;
/** How many times as fast as the prototype's float32 the whole of a run on this set has to be. */
const SPEED = { set: "movies", least: 3 };

/**
 * @typedef {object} Run
 * @property {number} score correlation, or accuracy
 * @property {number} loss
 * @property {number} [seconds] from the process's start to its end, unless other work ran beside
 */

/**
 * @typedef {object} Pair one right after the other, on one machine
 * @property {string} set
 * @property {"float32" | "bfloat16"} dtype
 * @property {number} seed
 * @property {Run} prototype
 * @property {Run} bertcnn
 * @property {string} processor
 * @property {number} threads
 * @property {string} conditions
 */

const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

function deviation(numbers) {
  const middle = mean(numbers);
  const squares = numbers.reduce((sum, number) => sum + (number - middle) ** 2, 0);
  return Math.sqrt(squares / (numbers.length - 1));
}

const spread = (numbers) =>
  numbers.length < 2
    ? numbers.map((number) => number.toFixed(3)).join("")
    : `${mean(numbers).toFixed(3)} ± ${deviation(numbers).toFixed(3)}`;

/** Both systems' runs of a set in a precision. @param {Pair[]} pairs */
function select(pairs, set, dtype) {
  const selected = pairs.filter((pair) => pair.set === set && pair.dtype === dtype);
  return {
    theirs: selected.map(({ prototype }) => prototype),
    ours: selected.map(({ bertcnn }) => bertcnn),
  };
}

/** @param {Pair[]} pairs @param {import("./sets.mjs").TextSet[]} sets */
export function tableOf(pairs, sets) {
  const rows = [];
  for (const { name, title, problemType } of sets) {
    for (const dtype of ["float32", "bfloat16"]) {
      const { theirs, ours } = select(pairs, name, dtype);
      if (ours.length === 0) continue;
      const [a, b] = [theirs, ours].map((side) => side.map(({ score }) => score));
      const ratios = pairedRatio(
        theirs.map(({ seconds }) => seconds),
        ours.map(({ seconds }) => seconds),
      );
      const what = problemType === "regression" ? "correlation" : "accuracy";
      const [ratio, least, most] = ["ratio", "least", "most"].map((key) =>
        ratios?.[key].toFixed(2),
      );
      const speed = ratios ? `${ratio} [${least}, ${most}]` : "";
      rows.push([title, dtype, what, String(ours.length), spread(a), spread(b), speed]);
    }
  }
  return { head: ["", "", "", "seeds", "prototype", "bertcnn", "times as fast"], rows };
}

/** Lines about goals; a missed one begins with MISSED. @param {Pair[]} pairs */
export function judge(pairs, sets) {
  const lines = [];
  for (const { name, title } of sets) {
    for (const dtype of ["float32", "bfloat16"]) {
      const { theirs, ours } = select(pairs, name, dtype);
      if (ours.length === 0) continue;
      const behind = mean(theirs.map(({ score }) => score)) - mean(ours.map(({ score }) => score));
      lines.push(
        `${behind <= TOLERANCE ? "met   " : "MISSED"} ${title}, ${dtype}: ` +
          `bertcnn's mean is ${(-behind).toFixed(4)} from the prototype's, at least ${-TOLERANCE}`,
      );
    }
  }
  // Of a model that computes as its owner likes it, beside the prototype as it is.
  const { theirs } = select(pairs, SPEED.set, "float32");
  for (const dtype of ["float32", "bfloat16"]) {
    const { ours } = select(pairs, SPEED.set, dtype);
    if (ours.length === 0 || ours.length !== theirs.length) continue;
    const seconds = (side) => side.map((run) => run.seconds);
    const ratio = pairedRatio(seconds(theirs), seconds(ours))?.ratio;
    if (ratio === undefined) continue;
    lines.push(
      `${ratio >= SPEED.least ? "met   " : "MISSED"} ${SPEED.set}, ${dtype} beside the prototype's float32: ` +
        `${ratio.toFixed(2)} times as fast, at least ${SPEED.least}`,
    );
  }
  return lines;
}

/**
 * @param {(Run & { variant: string, seed: number })[]} records
 * @param {import("./studies.mjs").Variant[]} variants
 * @param {import("./sets.mjs").TextSet} set
 */
export function studyTable(records, variants, set) {
  const bySeed = (title) =>
    records.filter(({ variant }) => variant === title).sort((a, b) => a.seed - b.seed);
  const first = bySeed(variants[0].title);
  const rows = variants.flatMap(({ title }) => {
    const runs = bySeed(title);
    if (runs.length === 0) return [];
    const pairs = runs.flatMap((run) => {
      const base = first.find(({ seed }) => seed === run.seed);
      return base === undefined ? [] : [[base, run]];
    });
    const gains = pairs.map(([base, run]) => run.score - base.score);
    const { ratio } = pairedRatio(
      pairs.map(([, run]) => run.seconds),
      pairs.map(([base]) => base.seconds),
    );
    const gain = title === variants[0].title ? "" : spread(gains);
    return [
      [title, String(runs.length), spread(runs.map(({ score }) => score)), gain, ratio.toFixed(2)],
    ];
  });
  const what = set.problemType === "regression" ? "correlation" : "accuracy";
  return { head: ["", "seeds", what, "more than the first", "times the first's time"], rows };
}

/** How far outputs fall when tokens are deleted, by what named them. */
export function deletionTable({ shares, means, errors }) {
  const head = ["", ...shares.map((share) => `${String(100 * share)} % deleted`), "mean"];
  const rows = Object.entries(means).map(([name, falls]) => [
    name,
    ...falls.map((fall, i) => `${fall.toFixed(3)} ± ${errors[name][i].toFixed(3)}`),
    mean(falls).toFixed(3),
  ]);
  return { head, rows };
}

/** Writes a measured part of a page in docs: that of `npm run experiments` with these arguments. */
export async function writeDocs(study, facts, table, page = "results.md") {
  const file = path.join(root, "docs", page);
  const content = [...facts.map((fact) => `- ${fact}`), "", asMarkdown(table)];
  const begin = `<!-- measured: npm run experiments --${study} --docs -->`;
  const measured = replaceMeasured(readFileSync(file, "utf8"), content.join("\n"), begin);
  const prettier = await import("prettier");
  const style = await prettier.resolveConfig(file);
  writeFileSync(file, await prettier.format(measured, { ...style, parser: "markdown" }));
}
