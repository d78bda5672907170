// Encodes texts for the conformance check: requests on standard input, results on standard output. ours.py has
// the other end. Texts come as UTF-16, so that broken surrogate pairs get here.
import { createRequire } from "node:module";

import { Tokenizer } from "../../../dist/index.js";

const { nativeModule } = createRequire(import.meta.url)("../../../dist/native-module.cjs");

const TOKENIZERS_KEPT = 3; // one with all characters takes tens of megabytes
const tokenizers = new Map();

/** The public tokenizer of a directory, or the addon's own, whose results need no putting together. */
async function tokenizerOf(directory, isPublic) {
  const key = `${isPublic} ${directory}`;
  let tokenizer = tokenizers.get(key);
  if (tokenizer) return tokenizer;
  if (tokenizers.size === TOKENIZERS_KEPT) tokenizers.delete(tokenizers.keys().next().value);
  tokenizer = await (isPublic
    ? Tokenizer.fromPretrained(directory)
    : nativeModule().loadTokenizer(directory));
  tokenizers.set(key, tokenizer);
  return tokenizer;
}

function joined(type, arrays) {
  const all = new type(arrays.reduce((length, array) => length + array.length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** One encoding after another of what the addon gives; src/native.cts has the layout. */
function* unpacked(parts) {
  for (const part of parts) {
    const all = new Int32Array(part);
    for (let at = 0; at < all.length;) {
      const [tokens, typeIds, offsets, truncated] = all.subarray(at, at + 4);
      const take = (count) => all.subarray(at, (at += count));
      at += 4;
      const ids = take(tokens);
      take(tokens);
      yield { ids, tokenTypeIds: take(typeIds), offsets: take(offsets), truncated };
      at += Math.ceil(tokens / 4);
    }
  }
}

async function encode({ directory, isPublic, options }, texts, pairs) {
  const tokenizer = await tokenizerOf(directory, isPublic);
  const encodings = isPublic
    ? await tokenizer.encodeBatch(texts, { ...options, ...(pairs && { textPairs: pairs }) })
    : [...unpacked(await tokenizer.encodeBatch(texts, pairs, options))];
  return {
    lengths: Int32Array.from(encodings, ({ ids }) => ids.length),
    ids: joined(
      Int32Array,
      encodings.map(({ ids }) => ids),
    ),
    typeIds: joined(
      Int32Array,
      encodings.map(({ tokenTypeIds }) => tokenTypeIds),
    ),
    offsets: joined(
      Int32Array,
      encodings.map(({ offsets }) => offsets),
    ),
    truncated: Uint8Array.from(encodings, ({ truncated }) => Number(truncated)),
  };
}

/** What the tokens are called, and the text they make, with and without special ones. */
async function decode({ directory, ids }) {
  const tokenizer = await tokenizerOf(directory, true);
  return ids.map((row) => ({
    tokens: tokenizer.tokens(row),
    text: tokenizer.decode(row),
    plain: tokenizer.decode(row, { skipSpecialTokens: true }),
  }));
}

const input = process.stdin[Symbol.asyncIterator]();
let buffered = Buffer.alloc(0);

/** The next `count` bytes; null at the end of the input. */
async function read(count) {
  const parts = [buffered];
  let have = buffered.length;
  while (have < count) {
    const { value, done } = await input.next();
    if (done) return null;
    parts.push(value);
    have += value.length;
  }
  const all = parts.length === 1 ? buffered : Buffer.concat(parts);
  buffered = all.subarray(count);
  return all.subarray(0, count);
}

async function readTexts(count) {
  const bytes = Buffer.from(await read(4 * count));
  const lengths = new Int32Array(bytes.buffer, bytes.byteOffset, count);
  const units = lengths.reduce((sum, length) => sum + length, 0);
  const all = (await read(2 * units)).toString("utf16le");
  let at = 0;
  return Array.from(lengths, (length) => all.slice(at, (at += length)));
}

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

for (let size = await read(4); size !== null; size = await read(4)) {
  const request = JSON.parse((await read(size.readUInt32LE())).toString());
  if (request.ids !== undefined) {
    const reply = Buffer.from(JSON.stringify(await decode(request)));
    process.stdout.write(bytesOf(Int32Array.of(reply.length)));
    process.stdout.write(reply);
    continue;
  }
  const texts = await readTexts(request.texts);
  const pairs = request.pairs ? await readTexts(request.texts) : null;
  const result = await encode(request, texts, pairs);
  const { lengths, ids, typeIds, offsets, truncated } = result;
  process.stdout.write(bytesOf(Int32Array.of(ids.length)));
  for (const array of [lengths, ids, typeIds, offsets, truncated]) {
    process.stdout.write(bytesOf(array));
  }
}
