import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";

import { AppendedFile } from "../../../src/report/appended-file.cjs";
import { MetricsLog, readMetricsLog } from "../../../src/report/metrics-log.cjs";
import { replaceFile } from "../../../src/report/write-file.cjs";
import { errorOf, expectError } from "../support/rejection.cjs";
import { evaluation, step, temporaryFolder } from "./support.cjs";

const target = () => path.join(temporaryFolder(), "metrics.jsonl");

const linesOf = (file: string): unknown[] =>
  readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);

const stepsOf = (file: string) => linesOf(file).map((line) => (line as { step: number }).step);

async function written(file: string, steps: number): Promise<void> {
  const log = await MetricsLog.open(file);
  for (let n = 1; n <= steps; n++) await log.step(step(n));
  await log.evaluation(evaluation(steps));
  await log.close();
}

describe("metrics.jsonl", () => {
  it("has a line for each record", async () => {
    const file = target();
    await written(file, 1);
    expect(linesOf(file)).toEqual([
      { type: "step", ...step(1) },
      { type: "evaluation", ...evaluation(1) },
    ]);
  });

  it("begins anew with each run", async () => {
    const file = target();
    await written(file, 3);
    await written(file, 1);
    expect(stepsOf(file)).toEqual([1, 1]);
  });

  it("is cut back to the step that a run is resumed from, and goes on", async () => {
    const file = target();
    await written(file, 5);
    const log = await MetricsLog.open(file, 3);
    await log.step(step(4, { loss: 7 }));
    await log.close();
    expect(stepsOf(file)).toEqual([1, 2, 3, 4]);
    expect(readdirSync(path.dirname(file))).toEqual(["metrics.jsonl"]);
  });

  it("loses a last line that a killed process left half-written, and lines that are none", async () => {
    const file = target();
    await written(file, 2);
    appendFileSync(file, '\0\0\0\n[]\nnull\n{"type":"step"}\n');
    appendFileSync(file, JSON.stringify({ type: "step", ...step(3) })); // whole but for its line feed
    const log = await MetricsLog.open(file, 9);
    await log.step(step(3));
    await log.close();
    expect(stepsOf(file)).toEqual([1, 2, 2, 3]);
  });

  it("is cut where chunks of the file end too", async () => {
    const file = target();
    const text = Array.from({ length: 3000 }, (_, i) =>
      JSON.stringify({ type: "step", ...step(i + 1) }),
    );
    writeFileSync(file, `${text.join("\n")}\n`);
    await (await MetricsLog.open(file, 2500)).close();
    expect(readFileSync(file, "utf8")).toBe(`${text.slice(0, 2500).join("\n")}\n`);
  });

  it("begins anew where the run that is resumed had none", async () => {
    const file = target();
    const log = await MetricsLog.open(file, 3);
    await log.step(step(4));
    await log.close();
    expect(stepsOf(file)).toEqual([4]);
  });

  it("is read back, with NaN where JSON has null", async () => {
    const file = target();
    const log = await MetricsLog.open(file);
    await log.step(step(1, { loss: NaN, gradNorm: Infinity, learningRates: [1, NaN] }));
    await log.evaluation(evaluation(1, { loss: NaN, f1: 0.5 }));
    await log.close();
    appendFileSync(file, '{"type":"note","step":1}\n{"type":"st');
    expect(await readMetricsLog(file)).toEqual({
      steps: [step(1, { loss: NaN, gradNorm: NaN, learningRates: [1, NaN] })],
      evaluations: [evaluation(1, { loss: NaN, f1: 0.5 })],
    });
  });

  it("has no records where there is no file", async () => {
    expect(await readMetricsLog(target())).toEqual({ steps: [], evaluations: [] });
  });

  it("refuses a folder, a missing folder, half a step and no path", async () => {
    const folder = temporaryFolder();
    await expectError(MetricsLog.open(folder), "ERR_IO", folder);
    await expectError(MetricsLog.open(folder, 3), "ERR_IO", folder, "EISDIR");
    await expectError(readMetricsLog(folder), "ERR_IO", folder, "EISDIR");
    const inMissing = path.join(folder, "none", "metrics.jsonl");
    await expectError(MetricsLog.open(inMissing), "ERR_IO", inMissing, "ENOENT");
    await expectError(MetricsLog.open(target(), -1), "ERR_INVALID_ARGUMENT", "resumedFrom");
    await expectError(readMetricsLog(""), "ERR_INVALID_ARGUMENT", "file");
    const inFile = path.join(__filename, "metrics.jsonl");
    await expectError(readMetricsLog(inFile), "ERR_IO", inFile, "ENOTDIR");
  });
});

describe("replaceFile", () => {
  it("leaves what was there, and nothing else, when writing fails", async () => {
    const file = target();
    writeFileSync(file, "before");
    const failing = replaceFile(file, async (aside) => {
      await aside.appendFile("half");
      throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    });
    await expectError(failing, "ERR_IO", file, "ENOSPC");
    expect(readFileSync(file, "utf8")).toBe("before");
    expect(readdirSync(path.dirname(file))).toHaveLength(1);
  });

  it("tells of errors without a code, and cannot replace a folder", async () => {
    const file = target();
    const failing = replaceFile(file, () => Promise.reject(new Error("odd")));
    await expectError(failing, "ERR_IO", "odd");
    mkdirSync(file);
    await expectError(
      replaceFile(file, () => Promise.resolve()),
      "ERR_IO",
      file,
    );
    expect(existsSync(file)).toBe(true);
  });
});

describe("an appended file", () => {
  it("writes nothing more after an error, which everybody hears of", async () => {
    const full = "/dev/full"; // Every write fails as on a full disk.
    const file = await AppendedFile.open(full);
    const error = await errorOf(file.append("a"));
    expect(error).toMatchObject({ code: "ERR_IO", message: `Cannot write ${full}: ENOSPC` });
    expect(await errorOf(file.append("b"))).toBe(error);
    expect(await errorOf(file.close())).toBe(error);
  });
});
