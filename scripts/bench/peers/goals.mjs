/** What the benchmark is to show, and whether a run has shown it. */
import { OURS, PROTOTYPE } from "./contenders.mjs";
import { advantage, fastest, ours, peers, PRECISIONS, shareOfProduct } from "./results.mjs";

const MEBIBYTE = 2 ** 20;

/**
 * @typedef {object} Goal
 * @property {string} title
 * @property {number | null} got null: the run has nothing to tell it by
 * @property {number} wanted
 * @property {"least" | "most"} bound
 * @property {"x" | "%" | "MB" | ""} unit
 */

/** What goals compare with in a mode of its own, so that it is timed in every round. */
export function keptForGoals({ system, precision, mode, workload }) {
  if (workload !== "mixed" && workload !== "sentences") return false;
  if (system === PROTOTYPE) return precision === "float32" && mode === "arrival";
  return system === "OpenVINO" && precision === "bfloat16" && mode === "sorted";
}

/** @param {object} results of a run @returns {Goal[]} */
export function goalsOf(results) {
  const { workloads, accuracy } = results;
  const find = (name) => workloads.find((workload) => workload.name === name);
  return [
    ...mixedGoals(find("mixed"), results.products["bert-base"] ?? {}),
    ...["one-16", "one-128"].flatMap((name) => latencyGoals(find(name), name)),
    signGoal(accuracy),
    ...PRECISIONS.map((precision) => orderGoal(find("mixed"), find("sentences"), precision)),
    memoryGoal(results, find("mixed")),
  ].filter((goal) => goal !== null);
}

const atLeast = (title, got, wanted, unit) => ({ title, got, wanted, bound: "least", unit });

function times(title, slow, fast, wanted) {
  return atLeast(title, advantage(slow, fast)?.ratio ?? null, wanted, "x");
}

function share(title, workload, precision, products, wanted) {
  const own = workload && ours(workload, precision);
  const got = own ? shareOfProduct(workload, own, products[precision]) : null;
  return atLeast(title, got === null ? null : 100 * got, wanted, "%");
}

function mixedGoals(workload, products) {
  const own = (precision) => (workload ? ours(workload, precision) : null);
  const peer = (precision) => (workload ? (peers(workload, precision)[0] ?? null) : null);
  const among = (wanted) => {
    const found = (workload?.entries ?? []).filter((entry) =>
      Object.entries(wanted).every(([field, value]) => entry[field] === value),
    );
    return fastest(found);
  };
  const arrival = among({ system: PROTOTYPE, precision: "float32", mode: "arrival" });
  const openvino = among({ system: "OpenVINO", precision: "bfloat16", mode: "sorted" });
  const [float32, bfloat16, int8] = PRECISIONS.map(own);
  return [
    times("mixed float32 to the prototype in arrival order", arrival, float32, 3.8),
    times("mixed float32 to the best peer", peer("float32"), float32, 1.35),
    share("mixed float32, of the fastest product", workload, "float32", products, 93),
    times("mixed bfloat16 to OpenVINO sorted by length", openvino, bfloat16, 1.45),
    share("mixed bfloat16, of the fastest product", workload, "bfloat16", products, 85),
    times("mixed int8 to the best peer", peer("int8"), int8, 1.35),
  ];
}

function latencyGoals(workload, name) {
  const own = workload ? ours(workload, "float32") : null;
  const others = workload ? peers(workload, "float32") : [];
  const prototype = others.find(({ system }) => system === PROTOTYPE) ?? null;
  return [
    times(`${name} float32 to the prototype`, prototype, own, 1.5),
    times(`${name} float32 to the best peer`, others[0] ?? null, own, 1.25),
  ];
}

function signGoal(accuracy) {
  const own = accuracy.find(({ system, precision }) => system === OURS && precision === "int8");
  return atLeast("int8, labels as in float32", own ? 100 * own.agreement : null, 99, "%");
}

/** Systems that are slower than ours on mixed lengths are slower on the sentences too. */
function orderGoal(mixed, sentences, precision) {
  const title = `sentences ${precision}: ahead of whom it is ahead of on mixed lengths`;
  if (!mixed || !sentences || !ours(mixed, precision) || !ours(sentences, precision)) {
    return { title, got: null, wanted: 1, bound: "least", unit: "" };
  }
  const isAhead = (workload, peer) => advantage(peer, ours(workload, precision)).ratio > 1;
  const behind = peers(mixed, precision).filter((peer) => isAhead(mixed, peer));
  const names = new Set(behind.map(({ system }) => system));
  const again = peers(sentences, precision).filter(({ system }) => names.has(system));
  const kept = again.filter((peer) => isAhead(sentences, peer)).length;
  return atLeast(title, again.length === 0 ? null : kept / again.length, 1, "");
}

/** Of the process that reached the speed. */
function memoryGoal({ systems, models }, workload) {
  const way = workload && ours(workload, "float32")?.way;
  const own = systems.find(
    (each) =>
      each.model === "bert-base" &&
      each.system === OURS &&
      each.precision === "float32" &&
      each.way === way,
  );
  const weights = models.find(({ name }) => name === "bert-base")?.weights;
  const got = own ? (own.memory.serving - weights) / MEBIBYTE : null;
  const title = "memory of BERT-base float32 above its weights";
  return { title, got, wanted: 350, bound: "most", unit: "MB" };
}

/** @param {Goal} goal @returns {"met" | "MISSED" | "not measured"} */
export function outcome({ got, wanted, bound }) {
  if (got === null || Number.isNaN(got)) return "not measured";
  return (bound === "least" ? got >= wanted : got <= wanted) ? "met" : "MISSED";
}

/** @param {Goal} goal */
export function goalLine(goal) {
  const number = (value) =>
    value === null ? "-" : `${value.toFixed(goal.unit === "x" ? 2 : 1)}${spaced(goal.unit)}`;
  const bound = goal.bound === "least" ? "at least" : "at most";
  const result = outcome(goal);
  return `${result.padEnd(13)}${goal.title}: ${number(goal.got)}, ${bound} ${number(goal.wanted)}`;
}

const spaced = (unit) => (unit === "x" || unit === "" ? unit : ` ${unit}`);
