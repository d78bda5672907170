/**
 * What a text is trained towards: a class's name or index, the names of all labels that apply, or one number for each
 * label or regression target.
 */
export type Label = string | number | readonly string[] | readonly number[];

/** A text and its label. */
export interface Example {
  /** The text as it was read, neither trimmed nor normalised. */
  readonly text: string;
  /** Its label, after `labelNames`, `labelSeparator` and `labelType`. */
  readonly label: Label;
}
