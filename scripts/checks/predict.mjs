/** A small program that predicts with the package, as a user's own would, and what its output must be. */
import { spawnSync } from "node:child_process";
import path from "node:path";

import { root } from "../setup/project.mjs";

export const MODEL = path.join(root, "test", "fixtures", "models", "tiny-frozen");

const BODY = `
const run = async () => {
  const model = await BertCnn.fromPretrained(${JSON.stringify(MODEL)}, { device: "cpu", threads: 1 });
  const { logits } = await model.predict(["a film that earns every minute", "", "dull"]);
  await model.dispose();
  console.log(JSON.stringify({ dims: logits.dims, data: [...logits.data] }));
};
run().catch((error) => { console.error(String(error.code), error.message); process.exitCode = 1; });
`;

/** The same program in both module systems; `from` is what it imports. */
export const programs = {
  CommonJS: (from) => ["-e", `const { BertCnn } = require(${JSON.stringify(from)});${BODY}`],
  ESM: (from) => [
    "--input-type=module",
    "-e",
    `import { BertCnn } from ${JSON.stringify(from)};${BODY}`,
  ],
};

/**
 * @param {string[]} program
 * @param {{ cwd?: string, node?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export function runProgram(program, { cwd = root, node = process.execPath, env } = {}) {
  return spawnSync(node, program, { cwd, env: env ?? process.env, encoding: "utf8" });
}

/** The logits that a program printed, as text; fails where it printed none. */
export function logitsOf({ stdout, stderr, status }) {
  if (status !== 0) throw new Error(`the program failed:\n${stderr}`);
  const { dims, data } = JSON.parse(stdout);
  const [rows, labels] = dims;
  if (rows !== 3 || data.length !== rows * labels || !data.every(Number.isFinite)) {
    throw new Error(`these are no logits of three texts: ${stdout}`);
  }
  return JSON.stringify(data);
}
