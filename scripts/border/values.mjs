/** Values that nobody means to pass, and everybody passes some day, as fast-check draws them. */
import fc from "fast-check";

/** What our getters, proxies and iterators throw: it may come through as it is. */
export class Planted extends Error {}

function throwing() {
  throw new Planted("planted");
}

/** What is made just before it is passed on: fast-check looks at what it draws, and some values bear no look. */
class Late {
  constructor(make) {
    this.make = make;
  }
}

/** What was drawn, made. */
export function resolve(value) {
  if (value instanceof Late) return value.make();
  return Array.isArray(value) && value.some((one) => one instanceof Late)
    ? value.map(resolve)
    : value;
}

function made(make) {
  return fc.constant(new Late(make));
}

function detached() {
  const array = new Float32Array(8);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function shared(kind) {
  return new kind(new SharedArrayBuffer(8 * kind.BYTES_PER_ELEMENT));
}

/** An array over a buffer that was made shorter since: it may have no element left. */
function shrunk() {
  const buffer = new ArrayBuffer(32, { maxByteLength: 64 });
  const array = new Int32Array(buffer, 8);
  buffer.resize(4);
  return array;
}

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Says another value each time it is read. */
function changing(values) {
  let reads = 0;
  return {
    get() {
      return values[reads++ % values.length];
    },
    enumerable: true,
  };
}

const loneSurrogates = fc
  .array(fc.constantFrom("\ud800", "\udfff", "a", " ", "\u0000", "\ufffd", "😀", "[MASK]"))
  .map((parts) => parts.join(""));

const odd = [
  made(() => ({ get texts() { return throwing(); }, get type() { return throwing(); } })), // prettier-ignore
  made(() => new Proxy({}, { get: throwing, ownKeys: throwing, has: throwing })),
  made(() => new Proxy([], { get: throwing })),
  made(revoked),
  made(detached),
  made(shrunk),
  made(() => shared(Int32Array)),
  made(() => shared(Float32Array)),
  made(() => ({ [Symbol.iterator]: throwing })),
  made(() => ({ then: throwing })),
  made(() => ({ toString: throwing, valueOf: throwing })),
  made(() => new Array(5)),
  made(() => Object.defineProperty([], "length", { value: 2 ** 18, writable: true })),
  made(() => Object.defineProperty({}, "length", { get: throwing })),
  made(() => Object.create(null)),
  made(() => new (class extends Array {})(3)),
  made(() => "x".repeat(1 << 18)),
  fc.constantFrom(NaN, -0, Infinity, -Infinity, 2 ** 31, 2 ** 53, -1, 0.5, 1e308, 5e-324),
  fc.constantFrom(2n ** 63n, -1n, 0n),
  fc.constantFrom(undefined, null, true, "", "auto", "none", "constructor", "__proto__"),
  made(() => Symbol("s")),
  made(() => () => throwing()),
  made(() => new Date(NaN)),
  loneSurrogates,
];

/** Anything. */
export const anything = fc.oneof(
  { weight: 2, arbitrary: fc.oneof(...odd) },
  {
    weight: 1,
    arbitrary: fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
      withObjectString: true,
      withSparseArray: true,
      withTypedArray: true,
      maxDepth: 2,
    }),
  },
);

export const text = fc.oneof(fc.string({ maxLength: 60 }), loneSurrogates);

/** A record of good fields, of which some are spoilt, missing, or other than they were a moment ago. */
export function nearly(fields) {
  const names = Object.keys(fields);
  return fc
    .record({
      good: fc.record(fields, { requiredKeys: [] }),
      spoilt: fc.subarray(names, { maxLength: Math.min(2, names.length) }),
      bad: fc.array(anything, { minLength: 2, maxLength: 2 }),
      how: fc.constantFrom("replace", "change", "throw", "stranger"),
    })
    .map(({ good, spoilt, bad, how }) => new Late(() => spoil(good, spoilt, bad, how)));
}

function spoil(good, spoilt, bad, how) {
  const fields = Object.fromEntries(
    Object.entries(good).map(([name, value]) => [name, resolve(value)]),
  );
  for (const [i, name] of spoilt.entries()) {
    const value = resolve(bad[i]);
    if (how === "replace") fields[name] = value;
    else if (how === "throw")
      Object.defineProperty(fields, name, { get: throwing, enumerable: true });
    else if (how === "change") Object.defineProperty(fields, name, changing([fields[name], value]));
    else fields[`${name}s`] = value;
  }
  return fields;
}
