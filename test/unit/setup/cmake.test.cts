import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { repository } from "./support.cjs";

// Compiles a few lines, on a machine that may be busy.
jest.setTimeout(120_000);

let root: string;
beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "bertcnn-cmake-"));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const file = path.join(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function must(command: string, ...args: string[]): string {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}:\n${stdout}${stderr}`);
  return stdout;
}

/** A libtorch that can be linked with, and no more. */
function toyLibtorch(): string {
  const source = write("torch/empty.cc", "");
  mkdirSync(path.join(root, "torch", "lib"));
  for (const name of ["libc10.so", "libtorch_cpu.so"]) {
    must("c++", "-shared", "-fPIC", source, "-o", path.join(root, "torch", "lib", name));
  }
  mkdirSync(path.join(root, "torch", "include", "torch", "csrc", "api", "include"), {
    recursive: true,
  });
  write("torch/include/torch/headeronly/version.h", "#define TORCH_VERSION_MAJOR 2\n");
  return path.join(root, "torch");
}

test.each(["a,b", "a$b", "a b"])(
  "the addon of a checkout in a folder called %s exports what it should, and no more",
  (name) => {
    const libtorch = toyLibtorch();
    for (const file of ["CMakeLists.txt", "binding/exports.map"]) {
      cpSync(path.join(repository, file), path.join(root, name, file));
    }
    const rooms = [
      "json",
      "read_file",
      "text/x",
      "checkpoint/x",
      "engine/x",
      "cuda/host/x",
      "model/x",
      "model/x_config",
    ];
    for (const room of rooms) write(`${name}/native/${room}.cc`, "");
    const entry = "napi_register_module_v1";
    write(
      `${name}/binding/toy.cc`,
      `__attribute__((visibility("default"))) void hidden() {}
extern "C" __attribute__((visibility("default"))) void ${entry}() { hidden(); }\n`,
    );

    const build = path.join(root, name, "build");
    // As cmake-js chooses.
    const ninja = spawnSync("ninja", ["--version"]).status === 0;
    const generator = ninja ? "Ninja" : "Unix Makefiles";
    const definitions = [`-DBERTCNN_LIBTORCH=${libtorch}`, `-DCMAKE_JS_INC=${libtorch}/include`];
    must("cmake", "-S", path.join(root, name), "-B", build, "-G", generator, ...definitions);
    must("cmake", "--build", build, "--target", "bertcnn");
    const addon = path.join(root, name, "lib", "bertcnn.node");
    expect(existsSync(addon)).toBe(true);
    const symbols = must("nm", "--dynamic", "--defined-only", addon);
    expect(symbols).toContain(entry);
    expect(symbols).not.toContain("hidden");
  },
);
