import { showTick } from "./numbers.cjs";

/** A value that an axis names. */
export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** An axis: where values lie on it, and which ones it names. */
export interface Scale {
  /** From 0 at the axis' begin to 1 at its end. */
  position(value: number): number;
  readonly ticks: readonly Tick[];
}

/** Beyond it the difference of two values may be infinite. */
const HUGE = Number.MAX_VALUE / 8;

const clamp = (value: number): number => Math.min(Math.max(value, -HUGE), HUGE);

/** Of the finite values; 0 to 1 where there are none. */
export function extent(values: Iterable<number>): [low: number, high: number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > high ? [0, 1] : [clamp(low), clamp(high)];
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5].find((candidate) => candidate * power >= least * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/** From `low` to `high` in equal parts, with about `count` ticks at round numbers. */
export function linearScale(low: number, high: number, count = 5): Scale {
  const step = roundStep((high - low) / count);
  const ticks: Tick[] = [];
  const largest = Math.max(Math.abs(low), Math.abs(high));
  const first = Math.ceil(low / step - 1e-9);
  for (let i = 0; i <= 2 * count; i++) {
    const value = (first + i) * step;
    if (value > high + 1e-9 * step) break;
    ticks.push({ value, label: showTick(value, step, largest) });
  }
  return { position: (value) => (value - low) / (high - low), ticks };
}

/** The range of `values` with a little room; a single value stands in the middle. */
export function rangeScale(values: Iterable<number>, count = 5): Scale {
  const [low, high] = extent(values);
  const room = high > low ? (high - low) * 0.04 : Math.abs(low) * 0.1 || 1;
  return linearScale(low - room, high + room, count);
}

/** Whole numbers, such as steps: from the first to the last, ticks at whole numbers only. */
export function stepScale(values: Iterable<number>): Scale {
  const [low, high] = extent(values);
  const [from, to] = high > low ? [low, high] : [low - 1, low + 1];
  const count = Math.max(1, Math.min(5, to - from));
  const scale = linearScale(from, to, count);
  return { ...scale, ticks: scale.ticks.filter(({ value }) => Number.isInteger(value)) };
}

/** Powers of ten from `low` to `high`, both above 0. */
export function logScale(low: number, high: number): Scale {
  const [from, to] = [Math.log10(low), Math.log10(high)];
  const every = Math.max(1, Math.ceil((to - from) / 7));
  const ticks: Tick[] = [];
  for (let power = Math.ceil(from / every) * every; power <= to; power += every) {
    const value = Number(`1e${String(power)}`);
    ticks.push({ value, label: power >= -4 && power <= 4 ? String(value) : `1e${String(power)}` });
  }
  return { position: (value) => (Math.log10(value) - from) / (to - from), ticks };
}

/** Logarithmic where all values are positive and span more than three powers of ten, else linear. */
export function fittingScale(values: readonly number[]): { scale: Scale; logarithmic: boolean } {
  const finite = values.filter(Number.isFinite);
  const [low, high] = extent(finite);
  const logarithmic = finite.length > 0 && low > 0 && high / low > 1000;
  return { scale: logarithmic ? logScale(low, high) : rangeScale(finite), logarithmic };
}
