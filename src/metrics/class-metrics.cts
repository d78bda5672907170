/** How well one label is found. */
export interface ClassMetrics {
  /** Its name. */
  readonly label: string;
  /** Share of the rows given the label that have it; 0 where none was given it. */
  readonly precision: number;
  /** Share of the rows that have the label that were given it; 0 where none has it. */
  readonly recall: number;
  /** Harmonic mean of both; 0 where both are. */
  readonly f1: number;
  /** Rows that have the label. */
  readonly support: number;
}

/** Rows of a label: given it, having it, and both. */
export interface LabelCounts {
  predicted: number;
  actual: number;
  both: number;
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** `2 * both / (predicted + actual)`, the F1 of these rows. */
export const f1Of = ({ predicted, actual, both }: LabelCounts): number =>
  ratio(2 * both, predicted + actual);

export function toClassMetrics(label: string, counts: LabelCounts): ClassMetrics {
  return {
    label,
    precision: ratio(counts.both, counts.predicted),
    recall: ratio(counts.both, counts.actual),
    f1: f1Of(counts),
    support: counts.actual,
  };
}

/** The mean F1 of the labels. */
export function macroF1(classes: readonly ClassMetrics[]): number {
  return classes.reduce((sum, { f1 }) => sum + f1, 0) / classes.length;
}

/** The mean F1 of the labels, each weighted by its rows; 0 where no row has any. */
export function weightedF1(classes: readonly ClassMetrics[]): number {
  const rows = classes.reduce((sum, { support }) => sum + support, 0);
  return ratio(
    classes.reduce((sum, { f1, support }) => sum + f1 * support, 0),
    rows,
  );
}
