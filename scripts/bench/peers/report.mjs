/** What a run tells, as tables of ratios: nothing here depends on how fast the machine is by itself. */
import { MODE_TITLES, OURS } from "./contenders.mjs";
import { goalLine, outcome } from "./goals.mjs";
import {
  advantage,
  fastest,
  medianTime,
  ours,
  peers,
  PRECISIONS,
  shareOfProduct,
} from "./results.mjs";
import { asText } from "./table.mjs";

const MEBIBYTE = 2 ** 20;

/** The share of the processors that other programs may have taken from a run whose ratios are to be believed. */
const QUIET = 0.03;

/** For the reader of {@link howOf}. */
export const WAYS_EXPLAINED = "`2 x 1` is two batches at a time, each by one thread";

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

function ratioCell(ratio) {
  if (ratio === null) return "";
  const [middle, least, most] = [ratio.ratio, ratio.least, ratio.most].map((x) => x.toFixed(2));
  return least === most ? `${middle}x` : `${middle}x (${least}-${most})`;
}

/** How a result came about: "sorted by length, 2 x 1". */
export function howOf({ mode, way }) {
  return [MODE_TITLES[mode], way].filter((part) => part !== "").join(", ");
}

/** By workload, how many times as fast as each system ours is in the same precision; each in its fastest way. */
export function overviewTables(results) {
  return PRECISIONS.flatMap((precision) => {
    const told = results.workloads.filter((workload) => ours(workload, precision));
    if (told.length === 0) return [];
    const systems = [
      ...new Set(told.flatMap((workload) => peers(workload, precision).map((p) => p.system))),
    ];
    const rows = systems.map((system) => [
      system,
      ...told.map((workload) => {
        const peer = peers(workload, precision).find((each) => each.system === system) ?? null;
        return ratioCell(advantage(peer, ours(workload, precision)));
      }),
    ]);
    const shares = told.map((workload) => {
      const rates = results.products[workload.model]?.[precision];
      const share = shareOfProduct(workload, ours(workload, precision), rates);
      return share === null ? "" : percent(share);
    });
    rows.push(["share of the fastest product", ...shares]);
    const head = [precision, ...told.map(({ name }) => name)];
    return [{ precision, head, rows }];
  });
}

/** Of one workload and precision every way that was timed, the fastest first; "~": given up after few rounds. */
export function detailTable(results, workload, precision) {
  const own = ours(workload, precision);
  const entries = workload.entries.filter((entry) => entry.precision === precision);
  const rates = results.products[workload.model]?.[precision];
  const rounds = Math.max(...entries.map(({ times }) => times.filter(Boolean).length));
  const told = entries
    .map((entry) => ({ entry, seconds: timeOf(entry) }))
    .filter(({ seconds }) => seconds !== null)
    .sort((a, b) => a.seconds - b.seconds);
  const base = own ?? fastest(entries) ?? told[0].entry;
  const rows = told.map(({ entry, seconds }) => {
    const whole = entry.times.filter(Boolean).length === rounds;
    const ratio = whole ? ratioCell(advantage(entry, base)) : "";
    const share = whole ? shareOfProduct(workload, entry, rates) : null;
    return [
      entry.system,
      howOf(entry),
      ratio === "" ? `~${(seconds / timeOf(base)).toFixed(2)}x` : ratio,
      share === null ? "" : percent(share),
    ];
  });
  const time = own ? `time / ${OURS}'s` : "time / the fastest's";
  return { head: [precision, "fed", time, "of the product"], rows };
}

/** Its median; where it was given up before the first round, that of the round that warms up. */
function timeOf(entry) {
  return entry.times.some(Boolean) ? medianTime(entry) : entry.warmUp;
}

export function accuracyTable({ accuracy }) {
  const rows = accuracy.map(({ system, precision, agreement, correlation }) => [
    system,
    precision,
    percent(agreement, 2),
    correlation.toFixed(5),
  ]);
  return { head: ["", "precision", "same label", "correlation"], rows };
}

/** Resident memory beside the weights in float32, of each process. */
export function memoryTable({ systems, models }) {
  const rows = systems.map(({ model, system, precision, way, memory }) => {
    const { weights } = models.find(({ name }) => name === model);
    const size = (bytes) => (bytes ? `${Math.round(bytes / MEBIBYTE)} MB` : "");
    const name = [system, way].filter(Boolean).join(", ");
    return [name, model, precision, size(weights), size(memory.loaded), size(memory.serving)];
  });
  return { head: ["", "model", "precision", "float32 weights", "loaded", "peak later"], rows };
}

export function machineLines({ machine, shares }) {
  const { processor, cores, instructions, memory, system, node } = machine;
  const others = Math.max(...shares.map((each) => each.others));
  const lines = [
    `${processor}, ${cores} processors, ${instructions.join(" ")}, ${Math.round(memory / 2 ** 30)} GB`,
    `${system}, Node.js ${node}`,
    `other programs took ${percent(others, 1)} of the processors`,
  ];
  if (others > QUIET) lines.push("note: that is too much; close them and measure again");
  for (const { name, share } of shares.flatMap(({ idle }) => idle)) {
    lines.push(`note: ${name} took ${percent(share, 1)} of the processors while others computed`);
  }
  return lines;
}

export function systemLines({ systems }) {
  const name = ({ system, precision, way }) => [system, precision, way].filter(Boolean).join(" ");
  const lines = systems.map((each) => `${name(each)}: ${describe(each.described)}`);
  return [...new Set(lines)];
}

export function describe({ settings, ...versions }) {
  const names = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [...names, settings].join(", ");
}

export function workloadLine({ name, title, texts, tokens }, model) {
  return `${name}: ${model.title}: ${title}; ${texts} texts, ${tokens} tokens`;
}

/** The whole report for a terminal. */
export function reportText(results) {
  const parts = [machineLines(results).join("\n")];
  parts.push(
    "How many times as fast bertcnn is, median of rounds (and extremes); each system's fastest way.\n" +
      `In what follows ${WAYS_EXPLAINED}.`,
  );
  parts.push(...overviewTables(results).map(asText));
  for (const workload of results.workloads.filter(({ kind }) => kind === "bulk")) {
    const model = results.models.find(({ name }) => name === workload.model);
    parts.push(workloadLine(workload, model));
    for (const precision of PRECISIONS) {
      if (!workload.entries.some((entry) => entry.precision === precision)) continue;
      parts.push(asText(detailTable(results, workload, precision)));
    }
  }
  if (results.accuracy.length > 0) {
    parts.push(`Outputs for ${results.accuracy[0].texts} sentences beside PyTorch's in float32`);
    parts.push(asText(accuracyTable(results)));
  }
  parts.push("Resident memory", asText(memoryTable(results)));
  for (const { name, reason } of results.leftOut) parts.push(`left out: ${name}: ${reason}`);
  return parts.join("\n\n");
}

/** Lines on the goals, and whether any was missed. */
export function goalsText(goals) {
  const missed = goals.filter((goal) => outcome(goal) === "MISSED").length;
  const lines = [
    ...goals.map(goalLine),
    missed === 0 ? "no goal missed" : `${missed} goals MISSED`,
  ];
  return { text: lines.join("\n"), missed };
}

/** Bars of the chart: texts a second beside the prototype's in arrival order. */
export function chartPanels(results) {
  return results.workloads
    .filter(({ kind }) => kind === "bulk")
    .flatMap((workload) => {
      const base = fastest(
        workload.entries.filter((entry) => {
          return (
            entry.system === "PyTorch prototype" &&
            entry.mode === "arrival" &&
            entry.precision === "float32"
          );
        }),
      );
      if (base === null) return [];
      const model = results.models.find(({ name }) => name === workload.model);
      const groups = PRECISIONS.flatMap((precision) => {
        const own = ours(workload, precision);
        const all = [...(own ? [own] : []), ...peers(workload, precision)];
        if (precision === "float32" && !all.includes(base)) all.push(base);
        const bars = all.map((entry) => ({
          label: entry.system,
          note: howOf(entry),
          // Precisions follow one another, so there are no rounds to pair.
          value: medianTime(base) / medianTime(entry),
          ours: entry.system === OURS,
        }));
        bars.sort((a, b) => b.value - a.value);
        return bars.length === 0 ? [] : [{ title: precision, bars }];
      });
      return [{ title: `${model.title}, ${workload.title}`, groups }];
    });
}
