/** What a library holds for which cards: the headers of nvcc's fat binaries, read without CUDA's tools. */
import { readFileSync } from "node:fs";

const MAGIC = Buffer.from([0x50, 0xed, 0x55, 0xba]);
const PTX = 1;
const BINARY = 2;

/**
 * The code for cards in a file, one set a kernel file: `"sm_80"` for a binary, `"compute_90"` for PTX.
 *
 * A fat binary is a header (magic, 16 bits of version, 16 bits of the header's size, 64 bits of the size of what
 * follows) and entries: 16 bits of kind, 16 of attributes, 32 of the entry header's size, 64 of the size of what
 * follows it, and at byte 28 the architecture in 32 bits.
 *
 * @param {string} file
 * @returns {Set<string>[]}
 */
export function fatBinaries(file) {
  const bytes = readFileSync(file);
  const found = [];
  for (let at = bytes.indexOf(MAGIC); at >= 0; at = bytes.indexOf(MAGIC, at + MAGIC.length)) {
    const targets = at % 8 === 0 ? readEntries(bytes, at) : new Set();
    if (targets.size > 0) found.push(targets);
  }
  return found;
}

function readEntries(bytes, start) {
  const targets = new Set();
  const begin = start + bytes.readUInt16LE(start + 6);
  const end = begin + Number(bytes.readBigUInt64LE(start + 8));
  for (let at = begin; at + 32 <= end && end <= bytes.length;) {
    const kind = bytes.readUInt16LE(at);
    const architecture = bytes.readUInt32LE(at + 28);
    if (kind === PTX) targets.add(`compute_${architecture}`);
    if (kind === BINARY) targets.add(`sm_${architecture}`);
    const size = bytes.readUInt32LE(at + 4) + Number(bytes.readBigUInt64LE(at + 8));
    if (size === 0) break;
    at += size;
  }
  return targets;
}
