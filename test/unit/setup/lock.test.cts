import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { Tree, until } from "./support.cjs";

// Each test starts several programs, on a machine that may be busy.
jest.setTimeout(60_000);

let tree: Tree;
beforeEach(() => {
  tree = new Tree();
});
afterEach(() => {
  tree.remove();
});

const IMPORTS = `
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { withLock } from "./scripts/setup/lock.mjs";
import { run } from "./scripts/setup/process.mjs";`;
const LOCK = "work/setup.lock";

/** Makes a function of node:fs fail, as a file system or another user's file would. */
function refuse(name: string, code: string, which = "true"): string {
  return `{
    const real = fs.${name};
    fs.${name} = (...args) => {
      if (!(${which})) return real(...args);
      throw Object.assign(new Error("${code}: refused, ${name}"), { code: "${code}" });
    };
    syncBuiltinESMExports();
  }`;
}

function take(before = "") {
  return tree.module(IMPORTS, `${before} await withLock("${LOCK}", () => console.log("held"));`);
}

function expectRefusal({ stdout, stderr, status }: ReturnType<typeof take>): void {
  expect(stdout).toBe("");
  expect(stderr).toContain(`bertcnn: the lock ${LOCK} can be neither taken nor waited for`);
  expect(stderr).toMatch(/remove it, as the user who owns it, and run set-up again\.\n$/);
  expect(status).toBe(1);
}

test("a lock is taken, and leaves nothing", () => {
  expect(take()).toMatchObject({ stdout: "held\n", stderr: "", status: 0 });
  expect(readdirSync(path.join(tree.root, "work"))).toEqual([]);
});

test("a lock that is a folder is named", () => {
  mkdirSync(path.join(tree.root, LOCK), { recursive: true });
  expectRefusal(take());
});

test("a lock that cannot be read is named", () => {
  tree.write(LOCK, "another user's");
  expectRefusal(take(refuse("readFileSync", "EACCES", `args[0] === "${LOCK}"`)));
});

/** Of this boot, for the start time tells that its owner is gone. */
const DEAD = `const dead = (await import("./scripts/setup/lock.mjs")).selfIdentity().replace(/\\d+$/, "1");
  fs.writeFileSync("${LOCK}", dead);`;

test("a dead owner's lock is taken over", () => {
  mkdirSync(path.join(tree.root, "work"));
  expect(take(DEAD)).toMatchObject({ stdout: "held\n", stderr: "", status: 0 });
  expect(readdirSync(path.join(tree.root, "work"))).toEqual([]);
});

test("a dead owner's lock that cannot be removed is named", () => {
  mkdirSync(path.join(tree.root, "work"));
  expectRefusal(take(DEAD + refuse("renameSync", "EPERM")));
});

test("a lock that comes and goes is waited for without keeping a processor busy", () => {
  tree.write(LOCK, "x");
  // It is there when it is to be taken, and gone when it is to be read.
  const gone = refuse("readFileSync", "ENOENT", `args[0] === "${LOCK}"`);
  const end = `setImmediate(() => { console.log("others have their turn"); process.exit(); });`;
  expect(take(gone + end).stdout).toBe("others have their turn\n");
});

test("where there are no hard links a lock is taken by its name alone", async () => {
  const body = `${refuse("linkSync", "EPERM")}
    await withLock("${LOCK}", async () => {
      fs.mkdirSync("alone");
      await new Promise((resolve) => setTimeout(resolve, 300));
      fs.rmdirSync("alone");
    });`;
  const both = [tree.start(IMPORTS, body), tree.start(IMPORTS, body)];
  const codes = await Promise.all(
    both.map(async (child) => (await once(child, "exit"))[0] as number),
  );
  expect(codes).toEqual([0, 0]);
  expect(readdirSync(path.join(tree.root, "work"))).toEqual([]);
});

/** A command that notes its PID in `started` and ends when there is a file `go`. */
const COMMAND = `echo $$ > started.part; mv started.part started; while [ ! -e go ]; do sleep 0.1; done`;

function startCommand() {
  const command = JSON.stringify(`PATH=/usr/bin:/bin; (${COMMAND}) & wait; touch ended`);
  const body = `await run("/bin/sh", ["-c", ${command}], { what: "the command" });`;
  return tree.start(IMPORTS, `await withLock("${LOCK}", async () => {${body}});`);
}

const exists = (name: string): boolean => existsSync(path.join(tree.root, name));

test("a killed set-up's lock is left to what it had started", async () => {
  const first = startCommand();
  await until(() => exists("started"));
  first.kill("SIGKILL");
  await once(first, "exit");

  const second = tree.start(
    IMPORTS,
    `await withLock("${LOCK}", () => console.log("ended:", fs.existsSync("ended")));`,
  );
  let output = "";
  second.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exit = once(second, "close");
  await until(() => output !== "");
  tree.write("go", "");
  await exit;
  expect(output).toBe(
    `bertcnn: what a killed set-up had started is at work (${LOCK}); waiting for it\nended: true\n`,
  );
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s ends what set-up has started, then set-up",
  async (signal) => {
    const first = startCommand();
    await until(() => exists("started"));
    first.kill(signal);
    expect(await once(first, "exit")).toEqual([null, signal]);
    const pid = readFileSync(path.join(tree.root, "started"), "utf8").trim();
    expect(isAlive(pid)).toBe(false);
    tree.write("go", ""); // Ends it where it was not.
    expect(take().stdout).toBe("held\n");
  },
);

test("a command that heeds no signal is killed", async () => {
  const command = JSON.stringify(`trap '' TERM; PATH=/usr/bin:/bin; ${COMMAND}`);
  const first = tree.start(IMPORTS, `await run("/bin/sh", ["-c", ${command}], { what: "x" });`);
  await until(() => exists("started"));
  first.kill("SIGTERM");
  expect(await once(first, "exit")).toEqual([null, "SIGTERM"]);
  tree.write("go", "");
});

function isAlive(pid: string): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
