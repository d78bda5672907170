/** The rows of check:gpu's table, whether they were run or not. */

/**
 * @typedef {object} Result what was measured
 * @property {string} row
 * @property {number} value
 * @property {number} bound
 * @property {string} unit
 * @property {"at most" | "at least"} relation
 * @property {boolean} passed
 */

/**
 * @typedef {object} Place where and when a result is from
 * @property {string} card
 * @property {string} date
 * @property {string} commit
 */

const DTYPES = ["float32", "float16", "bfloat16"];

/** What each section measures, in the order of the table. */
export const SECTIONS = {
  parity: [
    ...DTYPES.flatMap((dtype) => [`parity ${dtype}`, `parity of graphs ${dtype}`]),
    "a row alone and among others",
    "losses of ten steps float32",
    "losses of ten steps bfloat16",
  ],
  memory: ["growth over 10,000 batches, reserved", "kept after emptyCache beyond tensors"],
  "out-of-memory": [
    "logits of a batch that memory does not reach for",
    "a step that memory does not reach for: ERR_OUT_OF_MEMORY",
    "logits behind it",
    "a small step behind it",
  ],
  speed: [
    "bfloat16 matrix product",
    "bf16, 128 tokens x 256: share of that rate",
    "bf16, 128 tokens x 256",
    "bf16, mixed lengths",
    "bf16, a single text of 32 tokens",
    "bf16 fine-tuning, 64 tokens x 32",
  ],
  prototype: [
    "prototype eager, bf16, mixed lengths",
    "prototype SDPA, bf16, mixed lengths",
    "prototype torch.compile, bf16, mixed lengths",
  ],
  comparison: ["bf16, mixed lengths, beside the eager prototype"],
  soak: ["soak: batches between training steps", "soak: all logits finite"],
  exit: ["processes that used the card and ended well"],
};

export const NOT_RUN = "NOT RUN";

const HEAD = ["", "measured", "bound", "passed", "card", "date", "commit"];

/**
 * The table: a row for each of {@link SECTIONS}. One without a result, or whose place lacks a card, a date or a
 * commit, reads NOT RUN.
 *
 * @param {Result[]} results
 * @param {Partial<Place>} place
 * @returns {import("../bench/peers/table.mjs").Table}
 */
export function tableOf(results, place) {
  const byName = new Map(results.map((result) => [result.row, result]));
  const isPlaced = Boolean(place.card && place.date && place.commit);
  const rows = Object.values(SECTIONS).flat();
  return {
    head: HEAD,
    rows: rows.map((name) => {
      const result = isPlaced ? byName.get(name) : undefined;
      return result ? measured(result, place) : [name, NOT_RUN, "", "", "", "", ""];
    }),
  };
}

function measured({ row, value, bound, unit, relation, passed }, { card, date, commit }) {
  const hasBound = relation === "at most" || bound > 0;
  return [
    row,
    `${Number(value.toPrecision(4))} ${unit}`.trim(),
    hasBound ? `${relation} ${bound}` : "",
    passed ? "yes" : "NO",
    card,
    date,
    commit,
  ];
}

/**
 * 0 only where every row was run and passed: what was not run has not passed.
 *
 * @param {import("../bench/peers/table.mjs").Table} table
 */
export function exitCodeOf({ rows }) {
  return rows.every((cells) => cells[3] === "yes") ? 0 : 1;
}

/** The lines of JSON in a section's output that are results; other lines are words of libraries. */
export function resultsIn(output) {
  const lines = output.split("\n").filter((line) => line.startsWith('{"row":'));
  return lines.map((line) => JSON.parse(line));
}

/**
 * What follows from several results.
 *
 * @param {Result[]} results
 * @returns {Result[]}
 */
export function comparisonsOf(results) {
  const valueOf = (name) => results.find(({ row }) => row === name)?.value;
  const ours = valueOf("bf16, mixed lengths");
  const eager = valueOf("prototype eager, bf16, mixed lengths");
  if (!ours || !eager) return [];
  const value = ours / eager;
  const [row] = SECTIONS.comparison;
  return [{ row, value, bound: 3, unit: "x", relation: "at least", passed: value >= 3 }];
}
