/** Rounds in which every contender computes every workload once, one at a time, in an order that changes. */
import { setTimeout as sleep } from "node:timers/promises";

import { shuffled } from "../../demo/ratings.mjs";
import { busyTicks, ticksOf } from "./client.mjs";
import { survivors } from "./statistics.mjs";

/**
 * Ways of one system that are slower than its fastest by more than this go no further: after the round that warms
 * up, in which much runs for the first time, and after each later one.
 */
const LIMITS = { warmUp: 2.5, later: 1.2 };

/**
 * One way of one contender to compute one workload.
 *
 * @typedef {object} Entry
 * @property {string} system
 * @property {string} precision
 * @property {string} way
 * @property {string} mode
 * @property {string} workload
 * @property {boolean} keep goes on however slow it is
 * @property {number | null} warmUp seconds of the first round, which does not count
 * @property {number[]} times seconds of each round
 * @property {boolean} active
 * @property {string} [failed] why it was given up
 */

/** Between two measurements: threads of the one before may look for work for a while. */
const REST_MS = 100;

/** Notes who else is at work while one contender computes. */
export class Watch {
  #others = 0;
  #elapsed = 0;
  #idle = new Map();

  /** @param {Map<string, number>} pids of all contenders, by name @param {number} cores */
  constructor(pids, cores) {
    this.pids = pids;
    this.cores = cores;
  }

  /**
   * @template T
   * @param {string} name who computes
   * @param {() => Promise<T>} action
   * @returns {Promise<T>}
   */
  async during(name, action) {
    await sleep(REST_MS);
    const before = this.#read();
    const busy = busyTicks();
    const begin = performance.now();
    const result = await action();
    const seconds = (performance.now() - begin) / 1000;
    const after = this.#read();
    this.#elapsed += seconds;
    let own = 0;
    for (const [each, ticks] of after) {
      const used = ticks - (before.get(each) ?? ticks);
      own += used;
      if (each !== name) this.#idle.set(each, (this.#idle.get(each) ?? 0) + used);
    }
    this.#others += Math.max(0, busyTicks() - busy - own);
    return result;
  }

  /** Shares of the processors' time that other programs took, and each contender while it was to be idle. */
  get shares() {
    const all = this.#elapsed * this.cores * 100; // ticks are hundredths of a second
    const idle = [...this.#idle].map(([name, ticks]) => ({ name, share: ticks / all }));
    return { others: this.#others / all, idle: idle.filter(({ share }) => share > 0.002) };
  }

  #read() {
    const ticks = new Map();
    for (const [name, pid] of this.pids) {
      try {
        ticks.set(name, ticksOf(pid));
      } catch {
        // It has ended.
      }
    }
    return ticks;
  }
}

/**
 * @param {object} given
 * @param {Entry[]} given.entries
 * @param {number} given.rounds after the one that warms up
 * @param {() => number} given.random
 * @param {(entry: Entry) => Promise<number>} given.time seconds of one pass
 * @param {(round: number) => Promise<void>} given.product measures matrix products, once a round
 * @param {() => Promise<void>} given.thinned called when entries have been taken out
 * @param {(text: string) => void} given.log
 */
export async function takeTurns({ entries, rounds, random, time, product, thinned, log }) {
  const begin = performance.now();
  for (let round = 0; round <= rounds; round++) {
    const minutes = Math.round((performance.now() - begin) / 60_000);
    const active = entries.filter((entry) => entry.active);
    log(
      `round ${round === 0 ? "0 (warm-up)" : round} of ${rounds}: ${active.length} measurements, after ${minutes} minutes`,
    );
    const order = shuffled(active, random);
    const half = order.length >> 1;
    for (const [index, entry] of order.entries()) {
      if (index === half && round > 0) await product(round);
      try {
        const seconds = await time(entry);
        if (round === 0) entry.warmUp = seconds;
        else entry.times[round - 1] = seconds;
      } catch (error) {
        entry.active = false;
        entry.failed = error.message;
        log(`  ${titleOf(entry)}, ${entry.workload}: ${error.message}`);
      }
    }
    for (const group of groupsOf(entries)) thinOut(group, round);
    await thinned();
  }
}

/** The ways of one system, in one precision, to compute one workload. */
export function groupsOf(entries) {
  const key = ({ system, precision, workload }) => `${system} ${precision} ${workload}`;
  const groups = new Map();
  for (const entry of entries.filter(({ active }) => active)) {
    groups.set(key(entry), [...(groups.get(key(entry)) ?? []), entry]);
  }
  return [...groups.values()];
}

function thinOut(group, round) {
  const ways = group.map((entry) => ({
    entry,
    keep: entry.keep,
    times: [entry.warmUp, ...entry.times.filter((each) => each !== undefined)],
  }));
  const limit = round === 0 ? LIMITS.warmUp : LIMITS.later;
  const kept = new Set(survivors(ways, limit).map(({ entry }) => entry));
  for (const entry of group) entry.active = kept.has(entry);
}

export function titleOf({ system, precision, way }) {
  return [system, precision, way].filter((part) => part !== "").join(" ");
}
