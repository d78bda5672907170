/** What is made of times: medians, and ratios paired by round. */

/** @param {readonly number[]} numbers */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/**
 * How many times as long `slow` took as `fast`: of each round that has both, the median and the extremes. A machine
 * that is slower for a while is slower for both.
 *
 * @param {readonly number[]} slow by round; undefined where it did not run
 * @param {readonly number[]} fast
 * @returns {{ ratio: number, least: number, most: number } | null}
 */
export function pairedRatio(slow, fast) {
  const ratios = slow.flatMap((time, round) => {
    return time === undefined || fast[round] === undefined ? [] : [time / fast[round]];
  });
  if (ratios.length === 0) return null;
  return { ratio: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) };
}

/**
 * Which of several ways of one system go on after a round: those within `limit` of the fastest, and those named
 * to be kept. Their least times count, since what disturbs a measurement only makes it longer.
 *
 * @template {{ times: readonly number[], keep?: boolean }} T
 * @param {readonly T[]} ways
 * @param {number} limit
 * @returns {T[]}
 */
export function survivors(ways, limit) {
  const best = Math.min(...ways.flatMap(({ times }) => times));
  return ways.filter(({ times, keep }) => keep || Math.min(...times) <= limit * best);
}
