import { BertCnnError } from "../errors.cjs";
import { elementAt } from "./element.cjs";
import type { Example, Label } from "./example.cjs";

/** What the labels of a data set are; `none`: there are no rows, or no row has a label. */
export type LabelKind = "none" | "string" | "number" | "strings" | "numbers";

/** What one pass over the labels tells. */
export interface LabelStatistics {
  readonly kind: LabelKind;
  /** Rows by label, labels in the order of `labelNames`. */
  readonly counts: ReadonlyMap<string, number>;
  /** The label of each row, as a place in `counts`; empty where a row has several. */
  readonly classes: Uint32Array;
  /** Whether all labels are integers from 0 on, as class indices are. */
  readonly indices: boolean;
}

function kindOf(label: Label): LabelKind {
  if (typeof label === "string") return "string";
  if (typeof label === "number") return "number";
  if (label.length === 0) return "none";
  return typeof label[0] === "string" ? "strings" : "numbers";
}

/** The rows of a label, and how many labels were met before it. */
interface Tally {
  rows: number;
  readonly met: number;
}

const KINDS: Readonly<Record<LabelKind, string>> = {
  none: "nothing",
  string: "strings",
  number: "numbers",
  strings: "arrays of strings",
  numbers: "arrays of numbers",
};

/** Counts labels one by one. */
export class LabelCounter {
  readonly #columns: readonly string[] | null;
  readonly #tallies = new Map<string, Tally>();
  /** The label of each row, by when it was met. */
  readonly #classes: number[] = [];
  #kind: LabelKind = "none";
  #indices = true;

  /** @param columns - names of the numbers in labels that are arrays of numbers, where they have any */
  constructor(columns: readonly string[] | null) {
    this.#columns = columns;
  }

  add({ label }: Example): void {
    const kind = kindOf(label);
    if (this.#kind === "none") this.#kind = kind;
    else if (kind !== "none" && kind !== this.#kind) this.#refuse(kind);
    if (typeof label === "object") this.#addAll(label);
    else this.#addOne(label);
  }

  get statistics(): LabelStatistics {
    const sorted = this.#sorted();
    const places = new Uint32Array(sorted.length);
    sorted.forEach(([, { met }], place) => (places[met] = place));
    return {
      kind: this.#kind,
      counts: new Map(sorted.map(([name, { rows }]) => [name, rows])),
      classes: Uint32Array.from(this.#classes, (met) => elementAt(places, met)),
      indices: this.#indices,
    };
  }

  #addOne(label: string | number): void {
    this.#classes.push(this.#count(String(label), 1).met);
    this.#indices &&= Number.isSafeInteger(label) && Number(label) >= 0;
  }

  #addAll(label: readonly string[] | readonly number[]): void {
    const names: string[] = [];
    for (const [i, value] of label.entries()) {
      if (typeof value === "number") {
        this.#count(this.#columns?.[i] ?? String(i), value === 0 ? 0 : 1);
      } else names.push(value);
    }
    for (const name of new Set(names)) this.#count(name, 1);
  }

  #count(name: string, by: number): Tally {
    const tally = this.#tallies.get(name) ?? { rows: 0, met: this.#tallies.size };
    tally.rows += by;
    this.#tallies.set(name, tally);
    return tally;
  }

  #sorted(): [string, Tally][] {
    const tallies = [...this.#tallies];
    if (this.#kind === "number") return tallies.sort(([a], [b]) => Number(a) - Number(b));
    // Numbers of an array are in the order of their places already.
    if (this.#kind === "numbers") return tallies;
    return tallies.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  #refuse(kind: LabelKind): never {
    throw new BertCnnError(
      "ERR_INVALID_DATA",
      `Expected labels of one kind but some are ${KINDS[this.#kind]} and some ${KINDS[kind]}`,
    );
  }
}
