/**
 * Compares the tokenizer with Hugging Face's, on every character and on a million texts and more:
 * `npm run conformance:tokenizer`. Brings what it needs, once each. What follows is for
 * test/conformance/tokenizer/run.py, e.g. `npm run conformance:tokenizer -- --quick`.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";

import { minilm, ratings } from "../assets.mjs";
import { reportingFailure, setUp } from "../setup.mjs";
import { mails } from "../setup/npm-package.mjs";
import { root } from "../setup/project.mjs";
import { pythonPackages } from "../setup/python.mjs";

const PROGRAM = path.join(root, "test", "conformance", "tokenizer", "run.py");
const FIXTURES = path.join(root, "test", "fixtures", "text");

await reportingFailure(async () => {
  await setUp();
  const packages = await pythonPackages();
  const inputs = [
    "--minilm",
    await minilm(),
    "--ratings",
    await ratings(),
    "--mails",
    await mails(),
  ];
  const fixed = [...inputs, "--fixtures", FIXTURES, "--node", process.execPath];
  const env = { ...process.env, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" };
  const args = [PROGRAM, ...fixed, ...process.argv.slice(2)];
  const { status } = spawnSync("python3", args, { stdio: "inherit", env });
  process.exitCode = status ?? 1;
});
