import type { ClassMetrics } from "../metrics/class-metrics.cjs";
import { confusionMatrix } from "./confusion-matrix.cjs";
import { cut, markup, type Part } from "./markup.cjs";
import { showCount, showNumber, showShare } from "./numbers.cjs";
import type { Section } from "./page.cjs";
import { reliabilityDiagram } from "./reliability-diagram.cjs";
import type { RunEvaluation } from "./run-record.cjs";
import { scatterChart, type Pair } from "./scatter-chart.cjs";
import { table } from "./table.cjs";
import { worstExamples } from "./worst-examples.cjs";

/** More charts of a model with many outputs would make the page large. */
const MOST_OUTPUTS = 12;

const NO_SCORES = { pearson: null, spearman: null };

/** What there is to see of the evaluated rows, by problem type. */
export function evaluationSections(evaluation: RunEvaluation): Section[] {
  const worst = { id: "worst", title: "Highest losses", content: worstExamples(evaluation) };
  const rows = evaluation.texts.length;
  if (rows === 0) return [];
  return [...outcomeSections(evaluation), worst];
}

function outcomeSections(evaluation: RunEvaluation): Section[] {
  const { metrics } = evaluation;
  switch (metrics.problemType) {
    case "single_label_classification":
      return [
        {
          id: "classes",
          title: "Classes",
          content: [
            confusionMatrix(evaluation.labels, metrics.confusionMatrix),
            perClass(metrics.perClass),
          ],
        },
        reliability(reliabilityDiagram(metrics.reliability, "share that was right")),
      ];
    case "multi_label_classification":
      return [
        { id: "classes", title: "Labels", content: perClass(metrics.perClass) },
        reliability(reliabilityDiagram(metrics.reliability, "share of true labels")),
      ];
    case "regression":
      return [{ id: "predictions", title: "Predictions", content: scatters(evaluation) }];
  }
}

const reliability = (diagram: Part): Section => ({
  id: "reliability",
  title: "Calibration",
  content: markup`<div class="charts">${diagram}</div>`,
});

function perClass(classes: readonly ClassMetrics[]): Part {
  return table(
    "Metrics of each label",
    [
      { name: "label" },
      { name: "rows", numeric: true },
      { name: "precision", numeric: true },
      { name: "recall", numeric: true },
      { name: "F1", numeric: true },
    ],
    classes.map(({ label, support, precision, recall, f1 }) => [
      cut(label, 80),
      showCount(support),
      ...[precision, recall, f1].map(showShare),
    ]),
  );
}

function scatters(evaluation: RunEvaluation): Part {
  const { labels, metrics } = evaluation;
  if (metrics.problemType !== "regression") return null;
  const charts = labels.slice(0, MOST_OUTPUTS).map((label, output) => {
    const { pearson, spearman } = metrics.perLabel[output] ?? NO_SCORES;
    const note = `Pearson ${showNumber(pearson)}, Spearman ${showNumber(spearman)}.`;
    const title = labels.length === 1 ? "Target and prediction" : label;
    return scatterChart(title, pairs(evaluation, output), note);
  });
  const others = labels.length - charts.length;
  return [
    markup`<div class="charts">${charts}</div>`,
    others > 0 && markup`<p>Charts of ${showCount(others)} more outputs are left out.</p>`,
  ];
}

function pairs({ labels, logits, targets, texts }: RunEvaluation, output: number): Pair[] {
  return texts.map((_, row) => {
    const place = row * labels.length + output;
    return [targets[place] ?? NaN, logits[place] ?? NaN];
  });
}
