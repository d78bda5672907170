import { stat } from "node:fs/promises";
import path from "node:path";

import { nonEmptyString, unexpected } from "./check.cjs";
import { BertCnnError } from "./errors.cjs";

/** A path made absolute at once: the working directory may change before the engine opens the file. */
export function readPath(value: unknown, name: string): string {
  const given = nonEmptyString(value, name);
  if (given.includes("\0")) throw unexpected("path without null characters", name, value);
  return path.resolve(given);
}

/** Reads the path of a state dict to write, whose ending names the format. */
export function readStateDictTarget(value: unknown, name: string): string {
  const file = readPath(value, name);
  if (!/\.(safetensors|pt)$/.test(file)) {
    throw unexpected("path that ends in .safetensors or .pt", name, value);
  }
  return file;
}

/** Reads the path of a training state. */
export function readTrainingStatePath(value: unknown, name: string): string {
  const file = readPath(value, name);
  if (!file.endsWith(".safetensors")) {
    throw unexpected("path that ends in .safetensors", name, value);
  }
  return file;
}

/** Throws ERR_FILE_NOT_FOUND unless `source` is a directory; returns it as an absolute path. */
export async function readDirectory(value: unknown, name: string): Promise<string> {
  const directory = readPath(value, name);
  let problem = "is a file";
  let cause: unknown;
  try {
    if ((await stat(directory)).isDirectory()) return directory;
  } catch (error) {
    problem = `cannot be read (${String((error as NodeJS.ErrnoException).code)})`;
    cause = error;
  }
  throw new BertCnnError(
    "ERR_FILE_NOT_FOUND",
    `Expected a directory with config.json, weights and tokenizer for ${name} but ${directory} ${problem}`,
    { cause },
  );
}
