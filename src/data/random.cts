/**
 * Seeded order that is the same on every machine.
 *
 * - xoshiro128** 1.1: D. Blackman and S. Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47 (2021).
 * - SplitMix64, which its authors recommend to fill its state: G. L. Steele, D. Lea and C. H. Flood, "Fast Splittable
 *   Pseudorandom Number Generators", OOPSLA 2014.
 * - The shuffle: R. Durstenfeld, "Algorithm 235: Random permutation", CACM 7 (1964), known as Fisher-Yates.
 */

/** Draws an integer from 0 to 2^32 - 1. */
export type Generator = () => number;

const GOLDEN_GAMMA = 0x9e3779b97f4a7c15n;
const wrap64 = (value: bigint) => BigInt.asUintN(64, value);

/** Draws of SplitMix64, 64 bits each. */
export function splitMix64(seed: bigint): () => bigint {
  let state = wrap64(seed);
  return () => {
    state = wrap64(state + GOLDEN_GAMMA);
    let mixed = wrap64((state ^ (state >> 30n)) * 0xbf58476d1ce4e5b9n);
    mixed = wrap64((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn);
    return mixed ^ (mixed >> 31n);
  };
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** @param state - four 32-bit integers, not all 0; becomes the generator's own */
export function xoshiro128(state: Int32Array): Generator {
  let [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = state;
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = rotateLeft(s3, 11);
    return result;
  };
}

/**
 * The generator of a seed and a stream, such as an epoch. The seed is mixed before the stream is added: (1, 2) and
 * (2, 1) have nothing in common.
 */
export function seededGenerator(seed: number, stream: number): Generator {
  const draw = splitMix64(splitMix64(BigInt(seed))() + BigInt(stream));
  const state = BigUint64Array.of(draw(), draw());
  // Little end first whatever the machine's own order is.
  const words = Array.from(state, (word) => [Number(word & 0xffffffffn), Number(word >> 32n)]);
  return xoshiro128(Int32Array.from(words.flat()));
}

/** Draws an integer from 0 to below `bound`, which is from 1 to 2^32, each as likely as the others. */
export function drawBelow(generator: Generator, bound: number): number {
  // Draws from the incomplete last run of `bound` values would favour the small ones.
  const limit = 2 ** 32 - (2 ** 32 % bound);
  let drawn = generator();
  while (drawn >= limit) drawn = generator();
  return drawn % bound;
}

/** Shuffles in place, every order as likely as the others; returns the array. */
export function shuffle<T extends { [index: number]: unknown; readonly length: number }>(
  array: T,
  generator: Generator,
): T {
  for (let last = array.length - 1; last > 0; last--) {
    const other = drawBelow(generator, last + 1);
    const kept = array[last];
    array[last] = array[other];
    array[other] = kept;
  }
  return array;
}

/** The numbers from 0 to below `length`. */
export function ascending(length: number): Uint32Array {
  const numbers = new Uint32Array(length);
  for (let i = 0; i < length; i++) numbers[i] = i;
  return numbers;
}
