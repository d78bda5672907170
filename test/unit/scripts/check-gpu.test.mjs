import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { expect, test } from "@jest/globals";

import {
  comparisonsOf,
  exitCodeOf,
  NOT_RUN,
  resultsIn,
  SECTIONS,
  tableOf,
} from "../../../scripts/gpu/rows.mjs";
import { root } from "../../../scripts/setup/project.mjs";

const NAMES = Object.values(SECTIONS).flat();
const PLACE = { card: "some card", date: "2026-01-01", commit: "abc1234" };

const passed = (row) => ({ row, value: 1, bound: 1, unit: "", relation: "at least", passed: true });

test("a table with all rows passed is a success", () => {
  const table = tableOf(NAMES.map(passed), PLACE);
  expect(table.rows).toHaveLength(NAMES.length);
  expect(exitCodeOf(table)).toBe(0);
});

test("a row that was not run reads so, and is no success", () => {
  const table = tableOf(NAMES.slice(1).map(passed), PLACE);
  expect(table.rows[0]).toEqual([NAMES[0], NOT_RUN, "", "", "", "", ""]);
  expect(exitCodeOf(table)).toBe(1);
});

test.each(["card", "date", "commit"])("no row counts without its %s", (missing) => {
  const table = tableOf(NAMES.map(passed), { ...PLACE, [missing]: "" });
  for (const cells of table.rows) expect(cells[1]).toBe(NOT_RUN);
  expect(exitCodeOf(table)).toBe(1);
});

test("a row beyond its bound is a failure", () => {
  const failed = { ...passed(NAMES[0]), passed: false };
  const table = tableOf([failed, ...NAMES.slice(1).map(passed)], PLACE);
  expect(table.rows[0][3]).toBe("NO");
  expect(exitCodeOf(table)).toBe(1);
});

test("results are found among what libraries print", () => {
  const line = JSON.stringify(passed("parity float32"));
  expect(resultsIn(`a warning\n${line}\n`)).toEqual([passed("parity float32")]);
});

test("the prototype is compared in the same lengths", () => {
  const of = (row, value) => ({ ...passed(row), value });
  const ours = of("bf16, mixed lengths", 900);
  expect(comparisonsOf([ours])).toEqual([]);
  const [ratio] = comparisonsOf([ours, of("prototype eager, bf16, mixed lengths", 200)]);
  expect(ratio).toMatchObject({ value: 4.5, passed: true });
  expect(NAMES).toContain(ratio.row);
});

test("every row of a native section is one that the program measures", () => {
  const folder = path.join(root, "test", "gpu");
  const sources = readdirSync(folder).map((name) => readFileSync(path.join(folder, name), "utf8"));
  const text = sources.join("\n");
  const native = ["parity", "memory", "out-of-memory", "speed", "soak"];
  for (const name of native.flatMap((section) => SECTIONS[section])) {
    const literal = name.replace(/^(parity( of graphs)?) .*$/, "$1 ");
    expect(text).toContain(`"${literal}"`);
  }
});

test("without a card all rows are printed, none as passed, and the exit code says so", () => {
  const env = { ...process.env, PATH: "/usr/bin:/bin", CUDA_VISIBLE_DEVICES: "" };
  if (spawnSync("nvidia-smi", ["-L"], { env }).status === 0) return;
  const script = path.join(root, "scripts", "check-gpu.mjs");
  const { stdout, status } = spawnSync(process.execPath, [script], { env, encoding: "utf8" });
  expect(status).not.toBe(0);
  for (const name of NAMES) expect(stdout).toContain(name);
  expect(stdout.match(/NOT RUN/g)).toHaveLength(NAMES.length);
  expect(stdout).not.toContain("yes");
});
