/** Questions to the benchmark's results: who was fastest, by how much, and with what share of the product. */
import { median, pairedRatio } from "./statistics.mjs";
import { OURS } from "./contenders.mjs";

/**
 * @typedef {object} Result one way of one system to compute a workload
 * @property {string} system
 * @property {string} precision
 * @property {string} way
 * @property {string} mode
 * @property {number | null} warmUp seconds in the round that warms up
 * @property {number[]} times seconds of each round, as far as it was timed
 */

export const PRECISIONS = ["float32", "bfloat16", "int8"];

const known = (times) => times.filter((time) => time !== undefined && time !== null);

/** Those with most rounds are still in the race; the fastest of them. @param {readonly Result[]} results */
export function fastest(results) {
  const timed = results.filter(({ times }) => known(times).length > 0);
  const most = Math.max(...timed.map(({ times }) => known(times).length));
  const lasting = timed.filter(({ times }) => known(times).length === most);
  return lasting.reduce((best, each) => {
    return best !== null && median(known(best.times)) <= median(known(each.times)) ? best : each;
  }, null);
}

/** Our fastest way of a workload. */
export function ours(workload, precision) {
  return fastest(
    workload.entries.filter((entry) => entry.system === OURS && entry.precision === precision),
  );
}

/** The fastest way of each other system, fastest first. */
export function peers(workload, precision) {
  const others = workload.entries.filter((entry) => {
    return entry.system !== OURS && entry.precision === precision;
  });
  const systems = [...new Set(others.map(({ system }) => system))];
  return systems
    .map((system) => fastest(others.filter((entry) => entry.system === system)))
    .filter((entry) => entry !== null)
    .sort((a, b) => median(known(a.times)) - median(known(b.times)));
}

/** How many times as fast as `slow` `fast` is. @param {Result | null} slow @param {Result | null} fast */
export function advantage(slow, fast) {
  if (slow === null || fast === null) return null;
  const clean = (times) => Array.from(times, (time) => time ?? undefined); // null from JSON
  return pairedRatio(clean(slow.times), clean(fast.times));
}

/**
 * The share of the fastest matrix product that a result reaches, paired by round.
 *
 * @param {{ flops: number }} workload @param {Result} result @param {readonly number[]} rates FLOP/s by round
 */
export function shareOfProduct(workload, result, rates) {
  const shares = Array.from(result.times).flatMap((time, round) => {
    return time && rates?.[round] ? [workload.flops / time / rates[round]] : [];
  });
  return shares.length === 0 ? null : median(shares);
}

export function medianTime(result) {
  return median(known(result.times));
}
