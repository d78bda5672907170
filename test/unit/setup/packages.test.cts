import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import path from "node:path";

import { Tree } from "./support.cjs";

// Each test starts several programs, on a machine that may be busy.
jest.setTimeout(60_000);

let tree: Tree;
beforeEach(() => {
  tree = new Tree();
  tree.write("package-lock.json", "{}");
  // Does what set-up relies on: the hidden lock file is npm's last act.
  tree.program(
    "npm",
    'echo "$@" >> calls',
    "/bin/mkdir -p node_modules/typescript",
    "echo {} > node_modules/.package-lock.json",
  );
});
afterEach(() => {
  tree.remove();
});

/** Installs the packages if that is to be done; gives npm's calls so far and what set-up printed. */
function install() {
  const imports = `import { installPackages, packagesAreCurrent } from "./scripts/setup/packages.mjs";`;
  const result = tree.module(imports, "if (!packagesAreCurrent()) await installPackages();");
  const calls = path.join(tree.root, "calls");
  return {
    calls: existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : [],
    stdout: result.stdout,
    stderr: result.stderr,
  };
}

function setTime(name: string, seconds: number): void {
  utimesSync(path.join(tree.root, name), seconds, seconds);
}

test("npm ci runs once", () => {
  expect(install()).toMatchObject({
    calls: ["ci --include=dev --no-audit --no-fund"],
    stdout: "bertcnn: installing the npm packages\n",
    stderr: "",
  });
  expect(install()).toMatchObject({ calls: ["ci --include=dev --no-audit --no-fund"], stdout: "" });
});

test("npm ci runs again when package-lock.json has changed", () => {
  install();
  tree.write("package-lock.json", '{ "changed": true }');
  setTime("node_modules/.package-lock.json", 1_000);
  expect(install().calls).toHaveLength(2);
});

test("a package-lock.json that is newer but the same calls for nothing", () => {
  install();
  setTime("node_modules/.package-lock.json", 1_000);
  expect(install().calls).toHaveLength(1);
});

test("packages that the user has installed by hand are taken as they are", () => {
  tree.write("node_modules/typescript/package.json", "{}");
  tree.write("node_modules/.package-lock.json", "{}");
  expect(install().calls).toEqual([]);
});

test("packages that lack the development dependencies are installed again", () => {
  install();
  rmSync(path.join(tree.root, "node_modules", "typescript"), { recursive: true });
  expect(install().calls).toHaveLength(2);
});

test("an npm that was interrupted is run again", () => {
  tree.write("node_modules/typescript/package.json", "{}");
  expect(install().calls).toHaveLength(1);
});

test("a linked node_modules, which npm ci would empty, is refused", () => {
  mkdirSync(path.join(tree.root, "elsewhere"));
  symlinkSync("elsewhere", path.join(tree.root, "node_modules"));
  const { calls, stderr } = install();
  expect(calls).toEqual([]);
  expect(stderr).toContain("node_modules is a symbolic link");
});

test("a failing npm is reported with its words", () => {
  tree.program("npm", 'echo "npm error code EUSAGE" >&2', "exit 1");
  const { stderr } = install();
  expect(stderr).toContain("npm error code EUSAGE");
  expect(stderr).toContain("bertcnn: npm ci failed with exit code 1");
});

test("the install script does nothing in a checkout, whose own set-up calls npm", () => {
  const { stdout, stderr, status } = tree.node(["scripts/install.mjs"]);
  expect({ stdout, stderr, status }).toEqual({ stdout: "", stderr: "", status: 0 });
});
