import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import type { BatchOptions, Dataset, Example, ExampleBatch } from "../../../../src/index.cjs";

let folder: string;

/** Gives each test of the file a folder of its own. */
export function useFolder(): void {
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "bertcnn-data-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
}

/** Writes a file into the test's folder and returns its path. */
export function file(name: string, content: string | Uint8Array): string {
  const target = path.join(folder, name);
  writeFileSync(target, content);
  return target;
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) result.push(item);
  return result;
}

export async function texts(data: Dataset): Promise<string[]> {
  return (await all(data)).map(({ text }) => text);
}

export async function labels(data: Dataset): Promise<Example["label"][]> {
  return (await all(data)).map(({ label }) => label);
}

/** The rows of each batch. */
export async function rowsOf(data: Dataset, options: BatchOptions): Promise<number[][]> {
  return (await all<ExampleBatch>(data.batches(options))).map(({ rows }) => rows);
}

/** Examples whose text tells their place. */
export function numbered(count: number): Example[] {
  return Array.from({ length: count }, (_, i) => ({ text: `t${String(i)}`, label: i % 3 }));
}
