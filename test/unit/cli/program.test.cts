import { existsSync } from "node:fs";
import { readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";

import { run } from "../../../src/cli/program.cjs";
import { fixture, temporaryFolder, texts } from "../support/models.cjs";

const ENCODER = ["--model", fixture("tiny-bert"), "--device", "cpu", "--threads", "1"];

let errors: string[];
beforeEach(() => {
  errors = [];
  const keep = (...parts: unknown[]) => {
    errors.push(parts.map(String).join(" "));
    return true;
  };
  jest.spyOn(console, "error").mockImplementation(keep);
  jest.spyOn(process.stderr, "write").mockImplementation(keep);
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Runs a command; gives its exit code and what it printed. */
async function bertcnn(...argv: string[]): Promise<{ code: number; printed: string }> {
  const lines: string[] = [];
  const code = await run(argv, (text) => lines.push(text));
  return { code, printed: lines.join("\n") };
}

async function file(name: string, contents: string): Promise<string> {
  const target = path.join(await temporaryFolder(), name);
  await writeFile(target, contents);
  return target;
}

const jsonLines = async (name: string) =>
  (await readFile(name, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const reviews = () =>
  file(
    "reviews.csv",
    `text,label\n${texts(30)
      .map((text, row) => `${text},${row % 3 === 0 ? "good" : "bad"}`)
      .join("\n")}\n`,
  );

/** A classifier that was trained by the command. */
async function trained(...options: string[]) {
  const out = path.join(await temporaryFolder(), "model");
  const settings = ["--epochs", "1", "--batch-size", "8", "--json", ...options];
  const result = await bertcnn("train", await reviews(), ...ENCODER, "--out", out, ...settings);
  return { out, ...result };
}

describe("bertcnn train", () => {
  it("trains on a file and tells what it came to", async () => {
    const { code, out, printed } = await trained("--stratify");
    expect(code).toBe(0);
    const result = JSON.parse(printed) as Record<string, unknown>;
    expect(result).toMatchObject({
      problemType: "single_label_classification",
      labels: ["bad", "good"],
      rows: { trained: 27, evaluated: 3 },
      step: 4,
      stopped: "completed",
    });
    const config = JSON.parse(await readFile(path.join(out, "config.json"), "utf8")) as object;
    expect(config).toMatchObject({ id2label: { "0": "bad", "1": "good" } });
  });

  it("finds out that labels are scores", async () => {
    const data = await file("ratings.tsv", "a good film\t1.5\na bad one\t-2\nso so\t0\nwell\t1\n");
    const out = path.join(await temporaryFolder(), "model");
    const columns = ["--no-header", "--text-column", "0", "--label-column", "1"];
    const settings = ["--eval-share", "0.5", "--epochs", "1", ...columns, "--json"];
    const { code, printed } = await bertcnn("train", data, ...ENCODER, "--out", out, ...settings);
    expect([code, errors]).toEqual([0, []]);
    expect(JSON.parse(printed)).toMatchObject({ problemType: "regression", labels: ["score"] });
  });

  it("keeps the labels of a model that has some", async () => {
    const { out } = await trained();
    const again = path.join(await temporaryFolder(), "model");
    const settings = ["--out", again, "--max-steps", "1", "--json"];
    const { printed } = await bertcnn("train", await reviews(), "--model", out, ...settings);
    expect(JSON.parse(printed)).toMatchObject({ labels: ["bad", "good"], stopped: "max steps" });
  });

  it("goes on with a run, and not without being told to", async () => {
    const data = await reviews();
    const out = path.join(await temporaryFolder(), "model");
    const command = ["train", data, ...ENCODER, "--out", out, "--epochs", "1"];
    expect((await bertcnn(...command)).code).toBe(0);
    expect((await bertcnn(...command)).code).toBe(1);
    expect(errors.join()).toContain("resumeFromCheckpoint");
    const { code, printed } = await bertcnn(...command, "--resume");
    expect(code).toBe(0);
    expect(printed).toMatch(/^steps\s+1 \(completed\)/m);
  });

  it("leaves a checkpoint at SIGINT, from which it goes on", async () => {
    const data = await reviews();
    const out = path.join(await temporaryFolder(), "model");
    const settings = ["--epochs", "2000", "--batch-size", "8", "--save-total-limit", "2"];
    const command = ["train", data, ...ENCODER, "--out", out, ...settings];
    const running = bertcnn(...command);
    const log = path.join(out, "metrics.jsonl");
    while (!existsSync(log) || (await readFile(log, "utf8")) === "") await setTimeout(5);
    process.emit("SIGINT");
    expect((await running).code).toBe(130);
    const checkpoints = (await readdir(out)).filter((name) => name.startsWith("checkpoint-"));
    expect(checkpoints.length).toBeGreaterThan(0);
    const resumed = bertcnn(...command, "--resume");
    await setTimeout(50);
    process.emit("SIGINT");
    expect((await resumed).code).toBe(130);
    const steps = (await jsonLines(log)).filter(({ type }) => type === "step");
    expect(steps.map(({ step }) => step)).toEqual(steps.map((_, i) => i + 1));
  });

  it("tells where a row is wrong", async () => {
    const data = await file("reviews.jsonl", '{"text":"a","label":"b"}\n{"text":"a"}\n');
    const out = path.join(await temporaryFolder(), "model");
    expect((await bertcnn("train", data, ...ENCODER, "--out", out)).code).toBe(1);
    expect(errors.join()).toContain(`${data}:2`);
    expect(errors.join()).toContain("ERR_INVALID_DATA");
  });
});

describe("bertcnn evaluate", () => {
  it("prints metrics, for people and for programs", async () => {
    const { out } = await trained();
    const data = await reviews();
    const { code, printed } = await bertcnn("evaluate", data, "--model", out);
    expect(code).toBe(0);
    expect(printed).toMatch(/^rows +30$/m);
    expect(printed).toMatch(/^accuracy +[\d.]+$/m);
    const json = await bertcnn("evaluate", data, "--model", out, "--json");
    const { rows, metrics } = JSON.parse(json.printed) as { rows: number; metrics: object };
    expect(rows).toBe(30);
    expect(metrics).toMatchObject({ problemType: "single_label_classification" });
  });
});

describe("bertcnn predict", () => {
  let model: string;
  let out: string;
  beforeEach(async () => {
    model = (await trained()).out;
    out = path.join(await temporaryFolder(), "out.jsonl");
  });

  it("writes a line for each text, in their order", async () => {
    const input = await file("texts.txt", `${texts(700).join("\r\n")}\r\n`);
    const { code } = await bertcnn("predict", input, "--model", model, "--out", out);
    expect([code, errors]).toEqual([0, []]);
    const lines = await jsonLines(out);
    expect(lines.map(({ row }) => row)).toEqual(Array.from({ length: 700 }, (_, row) => row));
    expect(lines.map(({ text }) => text)).toEqual(texts(700));
    expect(lines[0]!["labels"]).toHaveLength(1);
  });

  it.each([
    ["in.jsonl", '\uFEFF{"text":"a \u2028 film"}\n\n{"text":"b"}', [], ["a \u2028 film", "b"]],
    ["in.csv", 'id,sentence\n1,"a, film"\n2,b\n', [], ["a, film", "b"]],
    ["in.tsv", '1\t"a film"\n2\tb\n', ["--no-header", "--text-column", "1"], ['"a film"', "b"]],
  ])("reads %s", async (name, contents, options, expected) => {
    const input = await file(name, contents);
    const { code } = await bertcnn("predict", input, "--model", model, "--out", out, ...options);
    expect([code, errors]).toEqual([0, []]);
    expect((await jsonLines(out)).map(({ text }) => text)).toEqual(expected);
  });

  it("gives all labels, without texts, where it is asked to", async () => {
    const input = await file("texts.txt", "one\n");
    const options = ["--all", "--no-text"];
    await bertcnn("predict", input, "--model", model, "--out", out, ...options);
    const [line] = await jsonLines(out);
    expect(Object.keys(line!)).toEqual(["row", "labels"]);
    expect(line!["labels"]).toHaveLength(2);
  });

  it("goes on where a killed run stopped", async () => {
    const input = await file("texts.txt", `${texts(50).join("\n")}\n`);
    await bertcnn("predict", input, "--model", model, "--out", out);
    const whole = await readFile(out, "utf8");
    await writeFile(out, whole.slice(0, whole.length / 2));
    const { code } = await bertcnn("predict", input, "--model", model, "--out", out, "--resume");
    expect(code).toBe(0);
    expect((await jsonLines(out)).map(({ row }) => row)).toEqual([...Array(50).keys()]);
  });

  it("stops at a bad row, after those before it", async () => {
    const input = await file("in.jsonl", '{"text":"a"}\nno JSON\n{"text":"b"}\n');
    const { code } = await bertcnn("predict", input, "--model", model, "--out", out);
    expect(code).toBe(1);
    expect(errors.join()).toContain(`${input}:2`);
    expect(await jsonLines(out)).toHaveLength(1);
  });

  it("puts an error in the place of a bad row where it is told to skip", async () => {
    const input = await file("in.jsonl", '{"text":"a"}\nno JSON\n{"text":"b"}\n');
    const options = ["--on-bad-row", "skip"];
    const { code } = await bertcnn("predict", input, "--model", model, "--out", out, ...options);
    expect(code).toBe(0);
    const lines = await jsonLines(out);
    expect(lines.map(({ row }) => row)).toEqual([0, 1, 2]);
    expect(lines[1]!["error"]).toContain("JSON");
  });

  it("fails where input or output cannot be opened", async () => {
    const missing = path.join(await temporaryFolder(), "missing.txt");
    expect((await bertcnn("predict", missing, "--model", model, "--out", out)).code).toBe(1);
    expect(errors.join()).toContain("ERR_FILE_NOT_FOUND");
    const input = await file("texts.txt", "one\n");
    const nowhere = path.join(missing, "out.jsonl");
    expect((await bertcnn("predict", input, "--model", model, "--out", nowhere)).code).toBe(1);
    expect(errors.join()).toContain("ERR_IO");
    expect((await bertcnn("predict", "texts.doc", "--model", model)).code).toBe(1);
    expect(errors.join()).toContain("--format");
    expect((await bertcnn("predict", input, "--model", model, "--resume")).code).toBe(1);
  });

  it("ends in order at SIGINT", async () => {
    const input = await file("texts.txt", `${texts(5000).join("\n")}\n`);
    const running = bertcnn("predict", input, "--model", model, "--out", out, "--batch-size", "8");
    void setTimeout(50).then(() => process.emit("SIGINT"));
    expect((await running).code).toBe(130);
  });
});

describe("bertcnn pretrain", () => {
  it.each([
    ["texts.txt", `${texts(40).join("\n\n")}\n`],
    ["texts.csv", `text\n${texts(40).join("\n")}\n`],
  ])("goes on with BERT's pre-training on %s, for train to begin with", async (name, contents) => {
    const out = path.join(await temporaryFolder(), "encoder");
    const input = await file(name, contents);
    const settings = ["--epochs", "2", "--batch-size", "8", "--eval-share", "0.2", "--json"];
    const result = await bertcnn("pretrain", input, ...ENCODER, "--out", out, ...settings);
    expect(result.code).toBe(0);
    const printed = JSON.parse(result.printed) as { evaluations: unknown[] };
    expect(printed).toMatchObject({ step: 8, epoch: 2, rows: { trained: 32, evaluated: 8 } });
    expect(printed.evaluations).toHaveLength(3);
    const classifier = path.join(await temporaryFolder(), "model");
    const trainIt = ["train", await reviews(), "--model", out, "--out", classifier, "--json"];
    const { code } = await bertcnn(
      ...trainIt,
      "--device",
      "cpu",
      "--threads",
      "1",
      "--epochs",
      "1",
    );
    expect(code).toBe(0);
  });

  it("tells where there is no text", async () => {
    const out = path.join(await temporaryFolder(), "encoder");
    const input = await file("texts.txt", "\n\n");
    const { code } = await bertcnn(
      "pretrain",
      input,
      ...ENCODER,
      "--out",
      out,
      "--eval-share",
      "0",
    );
    expect(code).toBe(1);
    expect(errors.join()).toContain("ERR_INVALID_INPUT");
    expect(existsSync(out)).toBe(false);
  });
});

describe("bertcnn info", () => {
  it("tells what a model is", async () => {
    const { out } = await trained();
    const { code, printed } = await bertcnn("info", out, "--json");
    expect(code).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({
      problemType: "single_label_classification",
      labels: ["bad", "good"],
    });
    expect((await bertcnn("info", out)).printed).toMatch(/^parameterCount +\d+$/m);
  });
});

describe("a command that is called wrongly", () => {
  it.each([
    [["train", "--model", "m", "--out", "o"], "data"],
    [["train", "x.csv", "--model", "m"], "--out"],
    [["train", "x.csv", "--model", "m", "--out", "o", "--epochs", "0"], "--epochs"],
    [["train", "x.csv", "--model", "m", "--out", "o", "--epochs", "1.5"], "whole number"],
    [["evaluate", "x.csv", "--model", "m", "--label-names", "a"], "--label-names"],
    [["evaluate", "x.csv", "--model", "m", "--dtype", "int4"], "--dtype"],
    [["predict", "--model", "m", "--quick"], "--quick"],
    [["predict"], "--model"],
  ])("%j has exit code 2 and names the mistake", async (argv, part) => {
    expect((await bertcnn(...argv)).code).toBe(2);
    expect(errors.join()).toContain(part);
  });

  it("is not what shows help", async () => {
    jest.spyOn(process.stdout, "write").mockImplementation(() => true);
    expect((await bertcnn("train", "--help")).code).toBe(0);
  });
});

describe("bertcnn explain", () => {
  const { NO_COLOR } = process.env;
  afterEach(() => {
    if (NO_COLOR === undefined) delete process.env["NO_COLOR"];
    else process.env["NO_COLOR"] = NO_COLOR;
  });

  it("lists what adds up to a logit, and writes a page", async () => {
    const { out } = await trained();
    const page = path.join(await temporaryFolder(), "why.html");
    const model = ["--model", out, "--device", "cpu", "--threads", "1"];
    const text = "a very good movie";
    process.env["NO_COLOR"] = "1"; // where the tests run on a terminal
    const plain = await bertcnn("explain", text, ...model, "--label", "good", "--html", page);
    expect(plain.code).toBe(0);
    expect(plain.printed).toContain(`${text}\ngood: `);
    expect(plain.printed).toContain("  bias");
    expect(await readFile(page, "utf8")).toContain("Logit of good");
    const json = await bertcnn("explain", text, "bad", ...model, "--json");
    const explanations = json.printed.split("\n").map((line) => JSON.parse(line) as object);
    expect(explanations).toMatchObject([{ text }, { text: "bad" }]);
  });

  it("refuses a label that the model does not have", async () => {
    const { out } = await trained();
    const { code } = await bertcnn("explain", "good", "--model", out, "--label", "best");
    expect(code).toBe(1);
    expect(errors.join("\n")).toContain('"best"');
  });
});
