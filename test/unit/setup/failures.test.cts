import { mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";

import { Tree } from "./support.cjs";

// Each test starts several programs, on a machine that may be busy.
jest.setTimeout(60_000);

let tree: Tree;
beforeEach(() => {
  tree = new Tree();
});
afterEach(() => {
  tree.remove();
});

const RUN = `import { run } from "./scripts/setup/process.mjs";`;

function expectOneLine({ stderr, status }: ReturnType<Tree["node"]>, line: string): void {
  expect(stderr).toBe(`bertcnn: ${line}\n`);
  expect(status).toBe(1);
}

test("a place that is taken is one line", () => {
  const lib = tree.write("lib", "a file");
  expectOneLine(
    tree.node(["scripts/setup.mjs"]),
    `EEXIST: file already exists, mkdir '${lib}'. Something else has that name: move it away.`,
  );
});

test.each([
  ["EACCES", "Make that place writable for you, or run set-up as the user who owns it."],
  ["EROFS", "That file system is read-only: make it writable, or use a copy elsewhere."],
  ["ENOSPC", "The disk is full: make room."],
  ["EIO", "See to that, then run set-up again."],
])("%s is one line, with what to do", (code, remedy) => {
  const facts = JSON.stringify({ code, path: "/there", syscall: "open" });
  const body = `throw Object.assign(new Error("${code}: refused, open"), ${facts});`;
  expectOneLine(tree.module("", body), `${code}: refused, open '/there'. ${remedy}`);
});

test("an error of ours keeps its stack", () => {
  expect(tree.module("", "null.x;").stderr).toContain("    at ");
});

test("a log that cannot be written is named before anything runs", () => {
  mkdirSync(path.join(tree.root, "build", "cmake.log"), { recursive: true });
  const body = `await run("/bin/sh", ["-c", "echo ran >&2"], { what: "x", log: "build/cmake.log", verbose: true });`;
  expectOneLine(
    tree.module(RUN, body),
    "EISDIR: illegal operation on a directory, open 'build/cmake.log'. " +
      "A folder is where a file should be: move it away.",
  );
});

test("a disk that fills up under the log ends the command, and is named", () => {
  // What it prints would go on for ever.
  const command = "while echo line; do :; done";
  const body = `await run("/bin/sh", ["-c", "${command}"], { what: "x", log: "/dev/full" });`;
  expectOneLine(
    tree.module(RUN, body),
    "ENOSPC: no space left on device, write '/dev/full'. The disk is full: make room.",
  );
});

test("a script does its work when it is called through a symbolic link", () => {
  symlinkSync("scripts/setup.mjs", path.join(tree.root, "link.mjs"));
  expect(tree.node(["link.mjs", "--variant", "tpu"])).toMatchObject({ status: 1 });
  const report = tree.write("ctest.xml", "<testsuite></testsuite>");
  symlinkSync(path.join(tree.root, "scripts"), path.join(tree.root, "linked"));
  const { stdout, status } = tree.node(["linked/check-skips.mjs", "--ctest", report]);
  expect(stdout).toContain("0 passed, 1 failed");
  expect(status).toBe(1);
});

test("a script that is imported does nothing, whatever the program's arguments are", () => {
  expect(
    tree.node(["--input-type=module", "-e", `import "./scripts/setup.mjs";`, "none"]),
  ).toMatchObject({
    stdout: "",
    stderr: "",
    status: 0,
  });
});
