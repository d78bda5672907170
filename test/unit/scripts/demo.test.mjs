import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { correlation, signAccuracy } from "../../../scripts/demo/measures.mjs";
import { readOptions } from "../../../scripts/demo/options.mjs";
import { randomNumbers, readRatings, split } from "../../../scripts/demo/ratings.mjs";

describe("the demo's measures", () => {
  test("correlation is 1 for a rising line, -1 for a falling one, whatever its slope", () => {
    expect(correlation([1, 2, 3], [10, 30, 50])).toBeCloseTo(1, 12);
    expect(correlation([1, 2, 3], [5, 4, 3])).toBeCloseTo(-1, 12);
  });

  test("correlation of a known case", () => {
    // Deviations (-1.5 -0.5 0.5 1.5) and (-1 -1 1 1): 4 / sqrt(5 * 4).
    expect(correlation([1, 2, 3, 4], [0, 0, 2, 2])).toBeCloseTo(4 / Math.sqrt(20), 12);
  });

  test("sign accuracy leaves ratings of exactly zero out", () => {
    expect(signAccuracy([1, -1, 2, -3], [0, -2, 3, 1])).toBeCloseTo(2 / 3, 12);
  });
});

describe("the demo's data", () => {
  let folder;
  beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), "bertcnn-test-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  const file = (text) => {
    const name = path.join(folder, "ratings.txt");
    writeFileSync(name, text);
    return name;
  };

  test("lines of id, rating and text are read, tabs in the text included", async () => {
    expect(await readRatings(file("1\t-2.5\tDull.\r\n2\t3\ta\tb\n"))).toEqual([
      { text: "Dull.", rating: -2.5 },
      { text: "a\tb", rating: 3 },
    ]);
  });

  test.each([["1\tgood\ttext"], ["1\t2"], ["1\t\ttext"]])(
    "a line that is none is named: %j",
    async (line) => {
      await expect(readRatings(file(`0\t0\tfine\n${line}\n`))).rejects.toThrow(/line 2/);
    },
  );

  test("a fifth is held out, nothing is lost, nothing is in both parts", () => {
    const items = Array.from({ length: 103 }, (_, i) => i);
    const { train, heldOut } = split(items, Infinity, randomNumbers(1));
    expect(heldOut).toHaveLength(20);
    expect([...train, ...heldOut].sort((a, b) => a - b)).toEqual(items);
  });

  test("a seed repeats its split, another seed gives another", () => {
    const items = Array.from({ length: 100 }, (_, i) => i);
    const heldOutBy = (seed) => split(items, 50, randomNumbers(seed)).heldOut;
    expect(heldOutBy(7)).toEqual(heldOutBy(7));
    expect(heldOutBy(7)).not.toEqual(heldOutBy(8));
  });
});

describe("the demo's command line", () => {
  test("defaults hold where nothing is given", () => {
    expect(readOptions([])).toMatchObject({ seed: 0, limit: Infinity, help: false });
  });

  test.each([
    ["--epochs", "0"],
    ["--batch", "2.5"],
    ["--limit", "9"],
    ["--seed", "-1"],
    ["--learning-rate", "0"],
    ["--learning-rate", "fast"],
  ])("%s %s is refused by name", (name, value) => {
    expect(() => readOptions([`${name}=${value}`])).toThrow(`for ${name} but received '${value}'`);
  });

  test("an unknown option is refused", () => {
    expect(() => readOptions(["--epoch=3"])).toThrow(/--epoch/);
  });
});
