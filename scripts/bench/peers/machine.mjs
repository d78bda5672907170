/** What the benchmark runs on. */
import { readFileSync } from "node:fs";
import os from "node:os";

/** Instruction sets that decide the speed of matrix products, as /proc/cpuinfo names them. */
const FLAGS = ["avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8"];

/** Whether the processor multiplies bfloat16. Without, it is emulated: far slower than float32. */
export function multipliesBfloat16() {
  return describeMachine().instructions.some((name) => name.endsWith("_bf16"));
}

export function describeMachine() {
  const info = readFileSync("/proc/cpuinfo", "utf8");
  const field = (name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(info)?.[1];
  const has = new Set((field("flags") ?? "").split(" "));
  return {
    processor: field("model name") ?? os.arch(),
    cores: os.availableParallelism(),
    instructions: FLAGS.filter((flag) => has.has(flag)),
    memory: os.totalmem(),
    system: `${os.type()} ${os.release().split("-")[0]}`,
    node: process.version,
  };
}
