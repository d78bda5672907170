import type { Reliability } from "./reliability-diagram.cjs";
import type { ConfusionCounts } from "./confusion-matrix.cjs";

export interface ClassMetrics {
  readonly label: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
  readonly rocAuc?: number | null;
}
export type Metrics =
  | {
      readonly problemType: "single_label_classification";
      readonly loss: number;
      readonly confusion: ConfusionCounts;
      readonly perClass: readonly ClassMetrics[];
      readonly reliability: Reliability;
    }
  | {
      readonly problemType: "multi_label_classification";
      readonly loss: number;
      readonly perClass: readonly ClassMetrics[];
      readonly reliability: Reliability;
    }
  | {
      readonly problemType: "regression";
      readonly loss: number;
      readonly perLabel: readonly {
        readonly pearson: number;
        readonly spearman: number;
        readonly mse: number;
      }[];
    };
