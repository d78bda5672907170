// Rated sentences: reading them from a file, splitting them into training and held-out ones.
import { readFile } from "node:fs/promises";

/**
 * @typedef {object} Rated
 * @property {string} text
 * @property {number} rating  mean of the human ratings, -4 (most negative) to 4
 */

/**
 * Reads tab-separated lines of id, rating and text. Throws an Error that names the line that is not one.
 * @param {string} file
 * @returns {Promise<Rated[]>}
 */
export async function readRatings(file) {
  const lines = (await readFile(file, "utf8")).split(/\r?\n/);
  /** @type {Rated[]} */
  const ratings = [];
  for (const [index, line] of lines.entries()) {
    if (line === "") continue;
    const [, rating, ...text] = line.split("\t");
    const value = rating === undefined || rating.trim() === "" ? NaN : Number(rating);
    if (text.length === 0 || !Number.isFinite(value)) {
      throw new Error(
        `${file}, line ${index + 1}: expected id, rating and text between tabs but found '${line.slice(0, 60)}'`,
      );
    }
    ratings.push({ text: text.join("\t"), rating: value });
  }
  return ratings;
}

/**
 * A generator of numbers in [0, 1) that repeats itself for the same seed (Marsaglia's xorshift32; the
 * seed is spread first, since the generator stands still at 0).
 * @param {number} seed
 * @returns {() => number}
 */
export function randomNumbers(seed) {
  let state = (Math.imul(seed + 1, 0x9e3779b1) ^ Math.floor(seed / 2 ** 32)) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/**
 * A shuffled copy (Fisher-Yates).
 * @template T
 * @param {readonly T[]} items
 * @param {() => number} random
 * @returns {T[]}
 */
export function shuffled(items, random) {
  const copy = [...items];
  for (let last = copy.length - 1; last > 0; --last) {
    const other = Math.floor(random() * (last + 1));
    [copy[last], copy[other]] = [copy[other], copy[last]];
  }
  return copy;
}

/**
 * Draws `limit` items and holds every fifth of them out.
 * @template T
 * @param {readonly T[]} items
 * @param {number} limit
 * @param {() => number} random
 * @returns {{ train: T[], heldOut: T[] }}
 */
export function split(items, limit, random) {
  const drawn = shuffled(items, random).slice(0, limit);
  const held = Math.floor(drawn.length / 5);
  return { train: drawn.slice(held), heldOut: drawn.slice(0, held) };
}
