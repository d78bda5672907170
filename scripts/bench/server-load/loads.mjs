// The loads of a server, one model each: a large call, many callers, one caller.

/** Rows a second of one call with all texts. */
export async function largeCall(model, texts) {
  const begin = performance.now();
  await model.predict(texts);
  return (texts.length / (performance.now() - begin)) * 1000;
}

/**
 * `count` callers that each ask for one text after another until all are done.
 * @returns {Promise<{ rate: number, latencies: number[] }>} rows a second, and milliseconds of each call
 */
export async function callers(model, texts, count) {
  let next = 0;
  /** @type {number[]} */
  const latencies = [];
  const begin = performance.now();
  const caller = async () => {
    while (next < texts.length) {
      const asked = performance.now();
      await model.predict(texts[next++]);
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: count }, caller));
  return { rate: (texts.length / (performance.now() - begin)) * 1000, latencies };
}

/** Seconds of processor time of this process, all its threads, that `work` takes. */
export async function processorTime(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The number that `share` of the numbers do not exceed. */
export function quantile(numbers, share) {
  return numbers.toSorted((a, b) => a - b)[Math.ceil(numbers.length * share) - 1];
}

export function median(numbers) {
  return quantile(numbers, 0.5);
}
