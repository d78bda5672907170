import { unexpected } from "../check.cjs";
import type { ProblemType } from "../labels.cjs";
import { readPath } from "../paths.cjs";
import { metricCurves, trainingCurves } from "./curve-sections.cjs";
import { evaluationSections } from "./evaluation-sections.cjs";
import { cut, markup, type Html, type Part } from "./markup.cjs";
import { showCount, showDuration, showNumber } from "./numbers.cjs";
import { page, type Section } from "./page.cjs";
import type { RunRecord } from "./run-record.cjs";
import { table } from "./table.cjs";
import { replaceFile } from "./write-file.cjs";

const ENDINGS: Record<RunRecord["stopped"], string> = {
  completed: "completed",
  "early stopping": "stopped early",
  aborted: "was aborted",
  "max steps": "reached its last step",
};

const PROBLEMS: Record<ProblemType, string> = {
  single_label_classification: "Single-label classification",
  multi_label_classification: "Multi-label classification",
  regression: "Regression",
};

/**
 * Writes a page about a training run: curves, what was predicted, the examples with the highest losses, configuration.
 * The page is one HTML file that loads nothing and runs nothing; it is put in place when it is whole.
 *
 * @param file - where to; its folder must be there
 * @param run - what the run was and gave
 * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT` or `ERR_IO`
 */
export async function writeReport(file: string, run: RunRecord): Promise<void> {
  const path = readPath(file, "file");
  const text = reportPage(readRun(run));
  await replaceFile(path, (aside) => aside.writeFile(text));
}

/** The arrays must fit each other; what they hold may be any number. */
function readRun(run: RunRecord): RunRecord {
  if (typeof run !== "object" || (run as unknown) === null) throw unexpected("object", "run", run);
  for (const name of ["steps", "evaluations", "groups"] as const) {
    if (!Array.isArray(run[name])) throw unexpected("array", `run.${name}`, run[name]);
  }
  if (run.evaluation === null) return run;
  const { problemType, labels, texts, logits, targets } = run.evaluation;
  const values = texts.length * labels.length;
  if (logits.length !== values) {
    throw unexpected(`${String(values)} numbers`, "run.evaluation.logits", logits);
  }
  const count = problemType === "single_label_classification" ? texts.length : values;
  if (targets.length !== count) {
    throw unexpected(`${String(count)} numbers`, "run.evaluation.targets", targets);
  }
  return run;
}

function reportPage(run: RunRecord): string {
  const sections: Section[] = [
    { id: "training", title: "Training", content: trainingCurves(run) },
    { id: "evaluation", title: "Evaluation", content: metricCurves(run) },
    ...(run.evaluation ? evaluationSections(run.evaluation) : []),
    { id: "configuration", title: "Configuration", content: configuration(run) },
  ];
  const foot = markup`Written by bertcnn. This page is one file: it loads nothing and runs nothing.`;
  return page(cut(run.name, 160), headline(run), sections, foot);
}

function headline(run: RunRecord): Part {
  const { evaluation, best } = run;
  const kind =
    evaluation &&
    `${PROBLEMS[evaluation.problemType]}, ${plural(evaluation.labels.length, "label")}`;
  const last = run.steps.at(-1);
  const seconds = Math.max(last?.seconds ?? 0, run.evaluations.at(-1)?.seconds ?? 0);
  const loss = run.evaluations.at(-1)?.metrics["loss"];
  return markup`<h1><bdi>${cut(run.name, 160)}</bdi></h1>
<p class="quiet">${kind ?? "Training run"}. The run ${ENDINGS[run.stopped]}.</p>
<dl class="tiles">
${best ? tile(`best ${best.metric}`, showNumber(best.value), `at step ${showCount(best.step)}`) : tile("last evaluation loss", showNumber(loss))}
${tile("steps", showCount(last?.step ?? 0), `${showNumber(last?.epoch ?? 0)} epochs`)}
${tile("time", showDuration(seconds))}
${tile("last training loss", showNumber(last?.loss))}
</dl>`;
}

function tile(name: string, value: string, more: string | null = null): Html {
  return markup`<div><dt>${cut(name, 60)}</dt><dd>${value}${more !== null && markup`<small>${more}</small>`}</dd></div>
`;
}

const plural = (count: number, noun: string): string =>
  `${showCount(count)} ${noun}${count === 1 ? "" : "s"}`;

function configuration({ options, config, data, versions }: RunRecord): Part {
  return [
    settings("Options", options),
    settings("Data", data),
    settings("Versions", versions),
    markup`<details><summary>The model's config.json</summary>
<div class="scroll" role="region" aria-label="config.json" tabindex="0"><pre>${JSON.stringify(config, null, 2)}</pre></div></details>`,
  ];
}

function settings(caption: string, values: Readonly<Record<string, unknown>>): Part {
  const rows = Object.entries(values).filter(([, value]) => value !== undefined);
  if (rows.length === 0) return null;
  return table(
    caption,
    [{ name: "name" }, { name: "value" }],
    rows.map(([name, value]) => [name, cut(setting(value), 1000)]),
  );
}

function setting(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
