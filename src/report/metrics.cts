import type { ConfusionCounts } from "./confusion-matrix.cjs";
import type { Reliability } from "./reliability-diagram.cjs";

/** How well one label is found. */
export interface ClassMetrics {
  readonly label: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
}

/** What a report shows of an evaluation's metrics. */
export type Metrics =
  | {
      readonly problemType: "single_label_classification";
      readonly perClass: readonly ClassMetrics[];
      readonly confusionMatrix: ConfusionCounts;
      readonly reliability: Reliability;
    }
  | {
      readonly problemType: "multi_label_classification";
      readonly perClass: readonly ClassMetrics[];
      readonly reliability: Reliability;
    }
  | {
      readonly problemType: "regression";
      readonly perLabel: readonly {
        readonly pearson: number | null;
        readonly spearman: number | null;
      }[];
    };
