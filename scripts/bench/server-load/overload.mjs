// More calls than a model can take, with aborts, timeouts, priorities and its end in the middle of it: every
// promise must be settled, and every outcome must be the one that was asked for.
import { BertCnn, BertCnnError } from "../../../dist/index.js";
import { randomNumbers } from "../../demo/ratings.mjs";

const QUEUE = 64; // rows that may wait
const AT_ONCE = 96; // calls under way: more than the queue takes
const MOST_ROWS = 4; // of a call

/** Why a call may end, by the code of its error or the reason of its signal. */
const ENDS = {
  ERR_TIMEOUT: "timed out",
  ERR_QUEUE_FULL: "refused",
  ERR_DISPOSED: "disposed",
  hungUp: "aborted",
};

/**
 * @param {(options: object) => Promise<import("../../../dist/index.js").BertCnn>} load
 * @param {string[]} texts
 * @param {number} count calls
 * @returns {Promise<{ counts: Record<string, number>, faults: string[] }>}
 */
export async function overload(load, texts, count) {
  const model = await load({ maxQueueRows: QUEUE });
  const observer = BertCnn.fromShared(model.share()); // its counters outlive the model's handle
  const expected = await reference(model, texts);
  const counts = { issued: 0, resolved: 0, aborted: 0, "timed out": 0, refused: 0, disposed: 0 };
  const faults = [];
  const random = randomNumbers(1);
  let disposal;

  const caller = async () => {
    while (counts.issued < count) {
      counts.issued++;
      // The last calls meet a model that is being disposed.
      if (counts.issued === count - AT_ONCE) disposal = model.dispose();
      const outcome = await call(model, texts, expected, random);
      if (outcome in counts) counts[outcome]++;
      else faults.push(outcome);
      if (outcome === "refused") await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, caller));
  await disposal;
  faults.push(...countFaults(counts, observer.stats()));
  await observer.dispose();
  return { counts, faults };
}

/** One call of some rows, with a limit at random. Gives how it ended. */
async function call(model, texts, expected, random) {
  const rows = 1 + Math.floor(random() * MOST_ROWS);
  const first = Math.floor(random() * (texts.length - rows));
  const kind = random();
  const options = { priority: Math.floor(random() * 3) };
  let timer;
  const controller = new AbortController();
  if (kind < 0.3) {
    options.signal = controller.signal;
    timer = setTimeout(() => controller.abort("hungUp"), random() * 60);
  } else if (kind < 0.5) {
    options.timeout = 1 + random() * 60;
  }
  try {
    const work = model.predict(texts.slice(first, first + rows), options);
    if (kind < 0.05) controller.abort("hungUp"); // while it surely waits
    const { logits } = await work;
    return differs(logits.data, expected.slice(first, first + rows).flat()) ?? "resolved";
  } catch (error) {
    const why = error instanceof BertCnnError ? error.code : error;
    return ENDS[why] ?? `an unexpected end: ${error}`;
  } finally {
    clearTimeout(timer);
  }
}

/** Each text's logits, from one call in parts that the queue takes. */
async function reference(model, texts) {
  const rows = [];
  for (let first = 0; first < texts.length; first += QUEUE) {
    const { logits } = await model.predict(texts.slice(first, first + QUEUE));
    const labels = logits.dims[1];
    for (let i = 0; i < logits.data.length; i += labels) {
      rows.push([...logits.data.slice(i, i + labels)]);
    }
  }
  return rows;
}

function differs(actual, expected) {
  const same = (value, i) => Math.abs(value - expected[i]) <= 1e-5 + 1e-5 * Math.abs(expected[i]);
  if (actual.length === expected.length && actual.every(same)) return undefined;
  return `logits of another row: ${[...actual].join(" ")}, expected ${expected.join(" ")}`;
}

function countFaults({ issued, ...ends }, stats) {
  const faults = [];
  const settled = Object.values(ends).reduce((sum, count) => sum + count, 0);
  if (settled !== issued) faults.push(`${issued} calls were issued but ${settled} were counted`);
  for (const [end, count] of Object.entries(ends)) {
    // Whether a timeout comes before the result is a matter of speed.
    if (count === 0 && end !== "timed out") faults.push(`no call was ${end}: that was not tried`);
  }
  // One that was refused and given up at once may be told either.
  const unsure = ends.aborted + ends["timed out"];
  if (stats.refused < ends.refused || stats.refused > ends.refused + unsure) {
    faults.push(`the engine refused ${stats.refused} calls, but ${ends.refused} were told so`);
  }
  if (stats.queuedRows !== 0) faults.push(`${stats.queuedRows} rows still wait`);
  return faults;
}
