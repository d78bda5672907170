/**
 * Packs the package, installs the tarball in an empty project and uses it there, as a user would: with npm's
 * install script, and without it followed by `npx bertcnn setup`.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { logitsOf, programs, runProgram } from "./checks/predict.mjs";
import { equal, inTemporaryFolder, must, shows } from "./checks/steps.mjs";
import { root } from "./setup/project.mjs";
import { setUp } from "./setup.mjs";

const NEEDED = [
  "dist/index.cjs",
  "dist/index.js",
  "dist/index.d.ts",
  "dist/index.d.cts",
  "dist/sbom.cdx.json",
  "scripts/cli.mjs",
  "scripts/install.mjs",
  "scripts/setup/unpack_wheel.py",
  "CMakeLists.txt",
  "binding.gyp",
  "binding/exports.map",
  "LICENSE",
  "README.md",
];
const UNWANTED = /^(src|test|build|lib|node_modules|docs|\.ci)\/|package-lock\.json$/;

await setUp();
await inTemporaryFolder(async (folder) => {
  const tarball = await shows("the tarball holds what a user needs and nothing else", () =>
    pack(folder),
  );
  await shows("packed again it has the same bytes", () => {
    const again = path.join(folder, "again");
    mkdirSync(again);
    equal(hash(pack(again)), hash(tarball), "SHA-256");
  });
  await audit();
  await shows("publint --strict", () => must("npx", ["publint", "--strict", tarball]));
  await shows("are the types wrong? no", () => must("npx", ["attw", tarball]));

  // Both projects lie in the same folder, so that a compiler cache can serve the second.
  const project = path.join(folder, "project");
  emptyProject(project);
  must("npm", ["install", "--no-audit", "--no-fund", tarball], { cwd: project });
  const logits = await shows("npm install builds; CommonJS and ESM predict the same", () =>
    predictBothWays(project),
  );
  await shows("npx bertcnn setup finds nothing left to do", () => {
    const lines = must("npx", ["bertcnn", "setup"], { cwd: project }).trim().split("\n");
    equal(lines.length, 1, "lines");
    if (!lines[0].startsWith("bertcnn: ready")) throw new Error(lines[0]);
  });

  emptyProject(project);
  const options = ["--ignore-scripts", "--no-audit", "--no-fund"];
  must("npm", ["install", ...options, tarball], { cwd: project });
  await shows("without install scripts the error tells what to run", () => {
    const { stderr } = runProgram(programs.CommonJS("bertcnn"), { cwd: project });
    if (!/^ERR_ADDON_LOAD .*bertcnn\.node.*npx bertcnn setup/.test(stderr)) throw new Error(stderr);
  });
  await shows("npx bertcnn setup does what the install script does", () => {
    must("npx", ["bertcnn", "setup"], { cwd: project });
    equal(predictBothWays(project), logits, "logits");
  });
});

function pack(folder) {
  must("npm", ["pack", "--pack-destination", folder]);
  const [name] = readdirSync(folder).filter((file) => file.endsWith(".tgz"));
  const tarball = path.join(folder, name);
  const files = must("tar", ["-tzf", tarball]).trim().split("\n");
  const packed = files.map((file) => file.replace(/^package\//, ""));
  const missing = NEEDED.filter((file) => !packed.includes(file));
  const unwanted = packed.filter((file) => UNWANTED.test(file));
  if (missing.length > 0 || unwanted.length > 0) {
    throw new Error(`missing: ${missing.join(", ")}; unwanted: ${unwanted.join(", ")}`);
  }
  return tarball;
}

/** Mirrors of the registry often cannot tell. */
async function audit() {
  const { status, stdout, stderr } = spawnSync("npm", ["audit", "--omit", "dev"], {
    cwd: root,
    encoding: "utf8",
  });
  if (/audit endpoint returned an error/.test(stderr)) {
    console.log("left out: npm audit, which this registry does not answer");
    return;
  }
  await shows("npm audit finds nothing in what is installed with it", () => {
    if (status !== 0) throw new Error(`${stdout}${stderr}`);
  });
}

function hash(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function emptyProject(folder) {
  if (existsSync(folder)) rmSync(folder, { recursive: true });
  mkdirSync(folder);
  writeFileSync(path.join(folder, "package.json"), '{ "name": "consumer", "private": true }\n');
}

function predictBothWays(project) {
  const commonJs = logitsOf(runProgram(programs.CommonJS("bertcnn"), { cwd: project }));
  const esm = logitsOf(runProgram(programs.ESM("bertcnn"), { cwd: project }));
  equal(esm, commonJs, "logits under ESM");
  const here = logitsOf(runProgram(programs.CommonJS(path.join(root, "dist", "index.cjs"))));
  equal(commonJs, here, "logits of the installed package");
  return commonJs;
}
