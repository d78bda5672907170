import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

import { repository } from "./support.cjs";

// Each test starts several programs, on a machine that may be busy.
jest.setTimeout(60_000);

function bertcnn(...args: string[]) {
  const cli = path.join(repository, "scripts", "cli.mjs");
  const { stdout, stderr, status } = spawnSync(process.execPath, [cli, ...args], {
    encoding: "utf8",
  });
  return { stdout, stderr, status };
}

test.each([[[]], [["--help"]], [["setup", "--help"]]])("%j shows the help", (args: string[]) => {
  const { stdout, status } = bertcnn(...args);
  expect(stdout).toContain("Usage: bertcnn <command> [options]");
  expect(stdout).toContain("--variant cpu|cuda");
  expect(status).toBe(0);
});

test("--version shows the package's version", () => {
  const text = readFileSync(path.join(repository, "package.json"), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  expect(bertcnn("--version").stdout).toBe(`${version}\n`);
});

test.each([
  ["an unknown command", ["frobnicate"], "'frobnicate' is no command"],
  ["an unknown option", ["setup", "--quick"], "Unknown option '--quick'"],
  [
    "an unknown variant",
    ["setup", "--variant", "tpu"],
    "--variant is 'tpu'; it can be 'cpu' or 'cuda'",
  ],
  ["half a version", ["setup", "--libtorch-version", "2"], "'2'; it looks like '2.13.0'"],
])("%s is refused by name", (_, args, message) => {
  const { stderr, status } = bertcnn(...args);
  expect(stderr).toContain(message);
  expect(status).toBe(1);
});
