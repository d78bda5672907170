/**
 * One addon binary serves every Node.js version that is supported, and the other runtimes that know Node-API: the same
 * file, the same logits, training, saving, cancelling, workers and exit codes.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { logitsOf, MODEL, programs, runProgram } from "./checks/predict.mjs";
import { equal, inTemporaryFolder, must, shows } from "./checks/steps.mjs";
import { root } from "./setup/project.mjs";
import { setUp } from "./setup.mjs";

const PROGRAM = fileURLToPath(new URL("checks/use-model.mjs", import.meta.url));
const DIST = path.join(root, "dist");
// As npm packages that hold nothing but the runtime itself.
const PLATFORM = `linux-${process.arch}`;
const NODES = ["20", "22", "24", "26"].map((version) => ({
  name: "Node.js",
  package: `node-${PLATFORM}@${version}`,
  program: ["bin", "node"],
}));
const OTHERS = [
  {
    name: "Bun",
    package: "bun@1.4.5",
    binary: `@oven/bun-${PLATFORM}`,
    program: ["bin", "bun"],
  },
  {
    name: "Deno",
    package: "deno@2.9.6",
    binary: `@deno/${PLATFORM}-glibc`,
    program: ["deno"],
    args: ["run", "--allow-all"],
  },
];

await setUp();
const here = await inTemporaryFolder((folder) => use(process.execPath, [], folder));
const logits = JSON.stringify(here.logits);
equal(logitsOf(runProgram(programs.CommonJS(path.join(DIST, "index.cjs")))), logits, "logits");
for (const runtime of [...NODES, ...OTHERS]) {
  await inTemporaryFolder(async (folder) => {
    const program = install(folder, runtime);
    const version = must(program, ["--version"]).match(/\d+\.\d+\.\d+/)[0];
    if (NODES.includes(runtime)) {
      await shows(`${runtime.name} ${version} predicts the same under CommonJS and ESM`, () => {
        equal(version.split(".")[0], runtime.package.split("@")[1], "version");
        const commonJs = programs.CommonJS(path.join(DIST, "index.cjs"));
        const esm = programs.ESM(path.join(DIST, "index.js"));
        equal(logitsOf(runProgram(commonJs, { node: program })), logits, "logits under CommonJS");
        equal(logitsOf(runProgram(esm, { node: program })), logits, "logits under ESM");
      });
    }
    await shows(
      `${runtime.name} ${version} predicts, trains, saves, cancels and ends the same`,
      () => {
        const found = use(program, runtime.args ?? [], folder);
        equal(JSON.stringify(found), JSON.stringify(here), "what it prints");
      },
    );
  });
}

/** @returns the path of the runtime's program */
function install(folder, runtime) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
  // Without scripts: they only put the program where a shell finds it.
  const options = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
  must("npm", ["install", ...options, runtime.package], { cwd: folder });
  const name = runtime.binary ?? runtime.package.split("@")[0];
  return path.join(folder, "node_modules", ...name.split("/"), ...runtime.program);
}

/** What the program printed; fails where it did not end as it should. */
function use(program, args, folder) {
  const all = [...args, PROGRAM, path.join(DIST, "index.js"), MODEL, folder];
  const { status, signal, stdout, stderr } = spawnSync(program, all, {
    encoding: "utf8",
    timeout: 120_000,
  });
  if (status !== 3) {
    throw new Error(`exit code ${status}, signal ${signal}, expected 3:\n${stdout}${stderr}`);
  }
  const found = JSON.parse(stdout);
  equal(found.same, true, "the saved model's logits");
  equal(found.cancelled, "AbortError", "what cancelling gives");
  equal(found.disposed, "ERR_DISPOSED", "what a disposed model says");
  equal(JSON.stringify(found.worker), JSON.stringify(found.logits), "a worker's logits");
  equal(
    found.trained.every((logit, i) => logit !== found.logits[i]),
    true,
    "training did something",
  );
  return found;
}
