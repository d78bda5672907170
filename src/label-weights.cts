import { unexpected, type Check } from "./check.cjs";
import { BertCnnError } from "./errors.cjs";

/** A number for each label: in the order of the model's labels, or by their names. */
export type ByLabel = readonly number[] | Readonly<Record<string, number>>;

function checkLabels(given: readonly string[], labels: readonly string[], name: string): void {
  const unknown = given.find((label) => !labels.includes(label));
  if (unknown !== undefined) {
    const known = labels.map((label) => JSON.stringify(label)).join(", ");
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected only the labels ${known} in ${name} but it holds ${JSON.stringify(unknown)}`,
    );
  }
}

/** Reads {@link ByLabel} as one number for each of `labels`, each of which passes `check`. */
export function readByLabel(
  value: unknown,
  name: string,
  labels: readonly string[],
  check: Check<number>,
): readonly number[] {
  if (Array.isArray(value)) {
    if (value.length !== labels.length) {
      throw unexpected(`array of ${String(labels.length)} numbers, one a label,`, name, value);
    }
    return labels.map((label, i) => check(value[i], `${name}[${String(i)}] ("${label}")`));
  }
  if (typeof value !== "object" || value === null) {
    throw unexpected("array of numbers, or object of label to number,", name, value);
  }
  checkLabels(Object.keys(value), labels, name);
  const byLabel = value as Record<string, unknown>;
  return labels.map((label) =>
    // `Object.hasOwn`: a label may be called "constructor".
    check(Object.hasOwn(byLabel, label) ? byLabel[label] : undefined, `${name}["${label}"]`),
  );
}
