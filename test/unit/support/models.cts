import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { BertCnn, type BertCnnOptions } from "../../../src/index.cjs";

const fixtures = path.join(__dirname, "../../fixtures");

/** A fixture of `test/fixtures/models`; `test/parity/make_fixtures.py` makes them. */
export const fixture = (name: string) => path.join(fixtures, "models", name);
/** A file of `test/fixtures/parity`. */
export const parityFile = (name: string) => path.join(fixtures, "parity", name);

const loaded: BertCnn[] = [];
const folders: string[] = [];

/** Loads a model for one test. */
export async function load(name: string, options?: BertCnnOptions): Promise<BertCnn> {
  const source = path.isAbsolute(name) ? name : fixture(name);
  // One thread: several would wait for each other longer than these models take to compute.
  const model = await BertCnn.fromPretrained(source, { device: "cpu", threads: 1, ...options });
  loaded.push(model);
  return model;
}

/** A folder for one test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "bertcnn-test-"));
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  await Promise.all(loaded.splice(0).map((model) => model.dispose()));
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** Texts of mixed lengths, as many as asked for, every one different. */
export function texts(count: number): string[] {
  const words = ["the", "movie", "was", "not", "very", "good", "bad", "great", "awful", "plot"];
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: 1 + ((row * 7) % 23) }, (_, i) => words[(row * 3 + i * i) % 10])
      .concat(String(row))
      .join(" "),
  );
}

/** Expects two rows of logits to be equal but for rounding: within 1e-5 + 1e-5 * |logit|. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const bound = 1e-5 + 1e-5 * Math.abs(expected[i]!);
    expect(Math.abs(actual[i]! - expected[i]!)).toBeLessThanOrEqual(bound);
  }
}
