import { inspect, types } from "node:util";

import { BertCnnError, type BertCnnErrorCode } from "./errors.cjs";

/** Returns the value where it is what it should be; otherwise throws ERR_INVALID_ARGUMENT naming `name`. */
export type Check<T> = (value: unknown, name: string) => T;

function show(value: unknown): string {
  try {
    return inspect(value, {
      depth: 0,
      maxArrayLength: 3,
      maxStringLength: 60,
      breakLength: Infinity,
      customInspect: false,
    });
  } catch {
    // A proxy or an accessor of the caller's threw; the type alone has to do.
    return "a value";
  }
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (types.isTypedArray(value)) return value[Symbol.toStringTag];
  return typeof value;
}

/** The sentence in which every argument error of this library is written. */
export function unexpected(
  expected: string,
  name: string,
  value: unknown,
  code: BertCnnErrorCode = "ERR_INVALID_ARGUMENT",
): BertCnnError {
  const message = `Expected ${expected} for ${name} but received ${show(value)} of type ${typeOf(value)}`;
  return new BertCnnError(code, message);
}

function checkThat<T>(expected: string, holds: (value: unknown) => value is T): Check<T> {
  return (value, name) => {
    if (!holds(value)) throw unexpected(expected, name, value);
    return value;
  };
}

export const boolean: Check<boolean> = checkThat(
  "boolean",
  (value): value is boolean => typeof value === "boolean",
);

export const string: Check<string> = checkThat(
  "string",
  (value): value is string => typeof value === "string",
);

export const nonEmptyString: Check<string> = checkThat(
  "non-empty string",
  (value): value is string => typeof value === "string" && value !== "",
);

const isNumber = (value: unknown): value is number => typeof value === "number";

export const integer: Check<number> = checkThat(
  "integer",
  (value): value is number => isNumber(value) && Number.isSafeInteger(value),
);

export const positiveInteger: Check<number> = checkThat(
  "positive integer",
  (value): value is number => isNumber(value) && Number.isSafeInteger(value) && value > 0,
);

export const naturalNumber: Check<number> = checkThat(
  "integer from 0 to 2^53 - 1",
  (value): value is number => isNumber(value) && Number.isSafeInteger(value) && value >= 0,
);

export const nonNegativeNumber: Check<number> = checkThat(
  "finite number of 0 or more",
  (value): value is number => isNumber(value) && Number.isFinite(value) && value >= 0,
);

/** From 1 to `most`. */
export function integerUpTo(most: number): Check<number> {
  return checkThat(
    `integer from 1 to ${String(most)}`,
    (value): value is number =>
      isNumber(value) && Number.isInteger(value) && value >= 1 && value <= most,
  );
}

/** From 0 to `most`. */
export function numberUpTo(most: number): Check<number> {
  return checkThat(
    `number from 0 to ${String(most)}`,
    (value): value is number => isNumber(value) && value >= 0 && value <= most,
  );
}

/** Above 0, up to `most`. */
export function positiveNumberUpTo(most: number): Check<number> {
  return checkThat(
    `number above 0 and up to ${String(most)}`,
    (value): value is number => isNumber(value) && value > 0 && value <= most,
  );
}

/** Probabilities whose 1 would leave nothing: of dropout, of decay. */
export const fraction: Check<number> = checkThat(
  "number from 0 to below 1",
  (value): value is number => isNumber(value) && value >= 0 && value < 1,
);

/** What `setTimeout` can hold: beyond it Node would fire at once. */
export const milliseconds: Check<number> = checkThat(
  "number of milliseconds above 0 and below 2^31",
  (value): value is number => isNumber(value) && value > 0 && value < 2 ** 31,
);

/** The same, and none at all. */
export const nonNegativeMilliseconds: Check<number> = checkThat(
  "number of milliseconds from 0 to below 2^31",
  (value): value is number => isNumber(value) && value >= 0 && value < 2 ** 31,
);

/** Takes signals of any realm and of polyfills: what counts is that it can be listened to. */
export const abortSignal: Check<AbortSignal> = checkThat(
  "AbortSignal",
  (value): value is AbortSignal =>
    typeof value === "object" &&
    value !== null &&
    typeof (value as AbortSignal).aborted === "boolean" &&
    typeof (value as AbortSignal).addEventListener === "function" &&
    typeof (value as AbortSignal).removeEventListener === "function",
);

export function oneOf<const T extends string>(...allowed: readonly T[]): Check<T> {
  const quoted = allowed.map((name) => `"${name}"`);
  return checkThat(
    quoted.length === 1 ? String(quoted[0]) : `one of ${quoted.join(", ")}`,
    (value): value is T => (allowed as readonly unknown[]).includes(value),
  );
}

/** An array whose elements pass `element`, copied so that later changes of the caller's play no part. */
export function arrayOf<T>(element: Check<T>, expected: string): Check<readonly T[]> {
  return (value, name) => {
    if (!Array.isArray(value)) throw unexpected(expected, name, value);
    const copy: T[] = [];
    // By index, since `map` would skip the holes of a sparse array.
    for (let i = 0; i < value.length; i++) copy.push(element(value[i], `${name}[${String(i)}]`));
    return copy;
  };
}

export function nonEmpty<T>(check: Check<readonly T[]>, expected: string): Check<readonly T[]> {
  return (value, name) => {
    const array = check(value, name);
    if (array.length === 0) throw unexpected(expected, name, value);
    return array;
  };
}

export const strings: Check<readonly string[]> = arrayOf(string, "array of strings");

/** `null` passes, everything else is checked. */
export function nullable<T>(check: Check<T>): Check<T | null> {
  return (value, name) => (value === null ? null : check(value, name));
}

export type Shape = Readonly<Record<string, Check<unknown>>>;

/** The object that {@link shaped} gives: the options that were given, each as its check returned it. */
export type Shaped<S extends Shape> = { -readonly [K in keyof S]?: ReturnType<S[K]> };

/**
 * Reads an options object. An option that is undefined counts as not given; a name that is not in `shape`
 * is refused, so that a typo is never silently ignored. Every property is read once.
 */
export function shaped<S extends Shape>(value: unknown, name: string, shape: S): Shaped<S> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unexpected("object", name, value);
  }
  const unknown = Object.keys(value).find((key) => !Object.hasOwn(shape, key));
  if (unknown !== undefined) {
    const known = Object.keys(shape).join(", ");
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      `Expected ${name} to hold only ${known} but it holds ${show(unknown)}`,
    );
  }
  const result: Record<string, unknown> = {};
  for (const [key, check] of Object.entries(shape)) {
    const given = (value as Record<string, unknown>)[key];
    if (given !== undefined) result[key] = check(given, `${name}.${key}`);
  }
  return result as Shaped<S>;
}
