import {
  spawn,
  spawnSync,
  type ChildProcessByStdio,
  type SpawnSyncReturns,
} from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";

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
      "scripts/check-skips.mjs",
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

  /** A libtorch in the cache as set-up leaves it there; gives its entry. */
  cachedLibtorch(name: string, version: string, options: { cuda?: boolean } = {}): string {
    const entry = `cache/libtorch/${name}-${process.arch}`;
    this.libtorch(`${entry}/torch`, version, options);
    const folder = path.join(this.root, entry);
    const found = readdirSync(folder, { recursive: true, withFileTypes: true });
    const files = found
      .filter((file) => file.isFile())
      .map((file) => path.join(file.parentPath, file.name));
    const sizes = files.map((file) => [path.relative(folder, file), statSync(file).size] as const);
    this.write(`${entry}/manifest.json`, JSON.stringify({ files: Object.fromEntries(sizes) }));
    return folder;
  }

  node(args: string[], env: Record<string, string> = {}): SpawnSyncReturns<string> {
    // The limit ends what would go on for ever.
    const options = { encoding: "utf8" as const, timeout: 50_000 };
    return spawnSync(process.execPath, args, { ...options, ...this.#place(env) });
  }

  /** Runs the body of a module inside this tree; a set-up failure is reported as set-up does it. */
  module(
    imports: string,
    body: string,
    env: Record<string, string> = {},
  ): SpawnSyncReturns<string> {
    return this.node(this.#program(imports, body), env);
  }

  /** The same in the background. */
  start(
    imports: string,
    body: string,
    env: Record<string, string> = {},
  ): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, this.#program(imports, body), {
      ...this.#place(env),
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  #program(imports: string, body: string): string[] {
    const text = [
      `import { reportingFailure } from "./scripts/setup.mjs";`,
      imports,
      `await reportingFailure(async () => {${body}});`,
    ];
    return ["--input-type=module", "-e", text.join("\n")];
  }

  #place(env: Record<string, string>) {
    return { cwd: this.root, env: { ...this.env, ...env } };
  }
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}
