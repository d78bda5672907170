import { readFileSync } from "node:fs";

type Values = Float32Array | Float64Array | BigInt64Array;

interface Entry {
  dtype: "F32" | "F64" | "I64";
  shape: number[];
  data_offsets: [number, number];
}

const arrays = { F32: Float32Array, F64: Float64Array, I64: BigInt64Array };

/** The tensors of a safetensors file, read independently of the library. */
export function readSafetensors(file: string): Map<string, { dims: number[]; data: Values }> {
  const bytes = readFileSync(file);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, headerEnd)) as Record<string, Entry>;
  const tensors = new Map<string, { dims: number[]; data: Values }>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = entry.data_offsets;
    const raw = new Uint8Array(bytes.subarray(headerEnd + start, headerEnd + end));
    tensors.set(name, { dims: entry.shape, data: new arrays[entry.dtype](raw.buffer) });
  }
  return tensors;
}
