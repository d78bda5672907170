import {
  fraction,
  naturalNumber,
  nonNegativeNumber,
  shaped,
  unexpected,
  type Check,
} from "../check.cjs";

/**
 * How the learning rates follow the evaluations: PyTorch's `ReduceLROnPlateau`, with its defaults but for `eps`, which is
 * 0 here. What it calls `min_lr` is a share of the rates, so that it suits all groups.
 */
export interface ReduceOnPlateau {
  /** What the rates are multiplied by; above 0 and below 1. Default 0.1. */
  factor?: number | undefined;
  /** Evaluations in a row that may be no better; the next such one reduces the rates. Default 10. */
  patience?: number | undefined;
  /** The share of the best value by which another must be better to count as better. Default 1e-4. */
  threshold?: number | undefined;
  /** Evaluations after a reduction in which those that are no better do not count. Default 0. */
  cooldown?: number | undefined;
  /** The share of the schedule's rates that is not fallen below. Default 0. */
  minScale?: number | undefined;
}

/** {@link ReduceOnPlateau} with its defaults. */
export type PlateauSettings = Required<{ [name in keyof ReduceOnPlateau]: number }>;

const belowOne: Check<number> = (value, name) => {
  const factor = fraction(value, name);
  if (factor > 0 && factor < 1) return factor;
  throw unexpected("number above 0 and below 1", name, value);
};

/** Reads {@link ReduceOnPlateau}. */
export const readPlateau: Check<PlateauSettings> = (value, name) => {
  const given = shaped(value ?? null, name, {
    factor: belowOne,
    patience: naturalNumber,
    threshold: nonNegativeNumber,
    cooldown: naturalNumber,
    minScale: fraction,
  });
  const { factor = 0.1, patience = 10, threshold = 1e-4, cooldown = 0, minScale = 0 } = given;
  return { factor, patience, threshold, cooldown, minScale };
};

/** Where it stands between two evaluations. */
export interface PlateauState {
  /** The best value so far; `null` before there is one. */
  readonly best: number | null;
  /** Evaluations in a row that were no better. */
  readonly bad: number;
  /** Evaluations in which these do not count yet. */
  readonly cooldown: number;
  /** What the schedule's rates are multiplied by. */
  readonly scale: number;
}

/** The state before the first evaluation. */
export const initialPlateau: PlateauState = { best: null, bad: 0, cooldown: 0, scale: 1 };

/** Whether a value that may come from a file is a state. */
export function isPlateauState(value: unknown): value is PlateauState {
  if (typeof value !== "object" || value === null) return false;
  const { best, bad, cooldown, scale } = value as Record<string, unknown>;
  const counts = [bad, cooldown].every(
    (count) => Number.isSafeInteger(count) && Number(count) >= 0,
  );
  const number = typeof scale === "number" && scale >= 0 && scale <= 1;
  return counts && number && (best === null || typeof best === "number");
}

function isBetter(value: number, best: number | null, threshold: number, lower: boolean): boolean {
  if (best === null) return !Number.isNaN(value);
  return lower ? value < best * (1 - threshold) : value > best * (1 + threshold);
}

/**
 * The state after one more evaluation.
 *
 * @param lower - whether less is better
 */
export function nextPlateau(
  state: PlateauState,
  value: number,
  lower: boolean,
  { factor, patience, threshold, cooldown, minScale }: PlateauSettings,
): PlateauState {
  const better = isBetter(value, state.best, threshold, lower);
  const best = better ? value : state.best;
  const cools = state.cooldown > 0;
  const bad = better || cools ? 0 : state.bad + 1;
  if (bad <= patience) return { ...state, best, bad, cooldown: cools ? state.cooldown - 1 : 0 };
  return { best, bad: 0, cooldown, scale: Math.max(state.scale * factor, minScale) };
}
