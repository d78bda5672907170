import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";

export const repository = path.resolve(__dirname, "..", "..", "..");

/** A folder of its own for a test, with set-up's scripts in it as an installed package has them. */
export class Tree {
  readonly root = mkdtempSync(path.join(os.tmpdir(), "bertcnn-setup-"));
  readonly bin = path.join(this.root, "bin");
  readonly cache = path.join(this.root, "cache");
  readonly env: Record<string, string>;

  constructor() {
    for (const place of [
      "scripts/setup",
      "scripts/setup.mjs",
      "scripts/install.mjs",
      "package.json",
    ]) {
      cpSync(path.join(repository, place), path.join(this.root, place), { recursive: true });
    }
    mkdirSync(this.bin);
    symlinkSync(process.execPath, path.join(this.bin, "node"));
    // Only what a test puts there is found: nothing of the machine that runs the test.
    this.env = { PATH: this.bin, HOME: this.root, BERTCNN_CACHE: this.cache };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Puts a program on the path: a shell script, by its lines. */
  program(name: string, ...lines: string[]): void {
    const file = path.join(this.bin, name);
    writeFileSync(file, ["#!/bin/sh", ...lines, ""].join("\n"));
    chmodSync(file, 0o755);
  }

  write(name: string, text: string): string {
    const file = path.join(this.root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** What set-up takes for a libtorch: the files that it looks at. */
  libtorch(name: string, version: string, { cuda = false, wheel = true } = {}): string {
    this.write(`${name}/lib/libtorch_cpu.so`, "");
    this.write(`${name}/include/ATen/ATen.h`, "");
    if (cuda) this.write(`${name}/lib/libtorch_cuda.so`, "");
    if (wheel) {
      this.write(`${name}/version.py`, `__version__ = '${version}'\n`);
    } else {
      const header = `#define TORCH_VERSION \\\n  "${version}"\n`;
      this.write(`${name}/include/torch/headeronly/version.h`, header);
    }
    return path.join(this.root, name);
  }

  node(args: string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
    const options = { cwd: this.root, env: { ...this.env, ...env }, encoding: "utf8" as const };
    return spawnSync(process.execPath, args, options);
  }

  /** Runs the body of a module inside this tree; a set-up failure is reported as set-up does it. */
  module(
    imports: string,
    body: string,
    env: Record<string, string> = {},
  ): SpawnSyncReturns<string> {
    const text = [
      `import { reportingFailure } from "./scripts/setup.mjs";`,
      imports,
      `await reportingFailure(async () => {${body}});`,
    ];
    return this.node(["--input-type=module", "-e", text.join("\n")], env);
  }
}
