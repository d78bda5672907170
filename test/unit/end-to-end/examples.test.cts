import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

import { fixture, load, temporaryFolder } from "../support/models.cjs";

const root = path.join(__dirname, "../../..");
const example = (name: string) => path.join(root, "examples", name);
const run = (name: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [example(name), ...args], { cwd: root });

it("classify prints each text with its labels", async () => {
  const { stdout } = await run("classify.mjs", fixture("tiny-frozen"), "a good movie", "awful");
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(8);
  expect([lines[0], lines[4]]).toEqual(["a good movie", "awful"]);
  expect(
    lines
      .slice(1, 4)
      .map((line) => line.trim().split(" ")[0])
      .sort(),
  ).toEqual(["negative", "neutral", "positive"]);
});

it("train writes a model with the labels of its data", async () => {
  const folder = await temporaryFolder();
  const data = path.join(folder, "data.tsv");
  await writeFile(data, "good\ta great movie\nbad\tawful plot\n".repeat(10));
  const out = path.join(folder, "model");
  const { stdout } = await run("train.mjs", fixture("tiny-bert"), data, out, "2");
  expect(stdout).toMatch(/^epoch 1: mean loss [\d.]+\nepoch 2: mean loss [\d.]+\n$/);
  expect((await load(out)).labels).toEqual(["bad", "good"]);
});

it("workers counts the labels of a file's lines in several threads", async () => {
  const folder = await temporaryFolder();
  const file = path.join(folder, "lines.txt");
  const lines = ["a great movie", "awful plot", "not bad", "good"];
  await writeFile(file, `${lines.join("\n")}\n`);
  const { stdout } = await run("workers.mjs", fixture("tiny-frozen"), file, "3");
  const counts = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" "));
  expect(counts.map(([label]) => label).sort()).toEqual(["negative", "neutral", "positive"]);
  expect(counts.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(lines.length);
});

it("server answers, refuses what is no text, and ends on SIGTERM", async () => {
  const server = spawn(process.execPath, [example("server.mjs"), fixture("tiny-frozen"), "0"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(server.stdout, "data")) as [Buffer];
  const port = /(\d+)\s*$/.exec(line.toString())![1]!;
  const post = async (body: string) => {
    // The connection must not be kept: the server waits for it to end.
    const headers = { connection: "close" };
    const response = await fetch(`http://localhost:${port}`, { method: "POST", body, headers });
    return { status: response.status, body: await response.json() };
  };
  const answer = await post('["a good movie"]');
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject([
    expect.arrayContaining([expect.objectContaining({ label: "neutral" })]),
  ]);
  expect(await post('["a", 3]')).toMatchObject({
    status: 400,
    body: { code: "ERR_INVALID_ARGUMENT" },
  });
  expect((await post("no JSON")).status).toBe(400);
  server.kill("SIGTERM");
  expect(await once(server, "exit")).toEqual([0, null]);
});
