import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { BertCnnError } from "../../../src/errors.cjs";
import { loadAddon, loadNative, waitingBriefly } from "../../../src/loader.cjs";

let root: string;
let lib: string;
let libtorch: string;
let addon: string;

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), "bertcnn-loader-"));
  lib = path.join(root, "lib");
  libtorch = path.join(root, "torch");
  addon = path.join(lib, "bertcnn.node");
});
afterEach(() => {
  jest.resetModules();
  rmSync(root, { recursive: true, force: true });
});

function write(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** A lib folder as set-up leaves it, but for the addon's content, and the libtorch that it names. */
function built({ arch = process.arch }: { arch?: string } = {}): void {
  write(addon, "this is no shared library");
  const info = { arch, libtorch: { directory: libtorch, minor: "2.13" } };
  write(path.join(lib, "build-info.json"), JSON.stringify(info));
  write(path.join(libtorch, "lib", "libtorch_cpu.so"), "");
  write(path.join(libtorch, "version.py"), "__version__ = '2.13.0+cpu'\n");
}

/** What the dynamic loader would give for the addon. */
function loadsAs(module: object): void {
  jest.doMock(addon, () => module, { virtual: true });
}

function failure(): BertCnnError {
  try {
    loadAddon(lib);
  } catch (error) {
    if (error instanceof BertCnnError) return error;
    throw error;
  }
  throw new Error("the addon was loaded");
}

function expectFailure(code: string, file: string, reason: string): void {
  const error = failure();
  expect(error.code).toBe(code);
  expect(error.message).toContain(file);
  expect(error.message).toContain(reason);
  expect(error.message).toContain("Run 'npx bertcnn setup'");
}

test("the addon of this package is loaded once", () => {
  const native = loadNative();
  expect(native.libtorchVersion.startsWith(`${native.builtWithLibtorch}.`)).toBe(true);
  expect(loadNative()).toBe(native);
});

test("an addon that fits its libtorch is loaded", () => {
  built();
  const module = { builtWithLibtorch: "2.13", libtorchVersion: "2.13.0" };
  loadsAs(module);
  expect(loadAddon(lib)).toEqual(module);
});

test("an addon that was never built is named", () => {
  expectFailure("ERR_ADDON_LOAD", addon, "the addon has not been built");
});

test("an addon that was built for another processor is named with both", () => {
  built({ arch: "sparc" });
  expectFailure(
    "ERR_ADDON_LOAD",
    addon,
    `built for sparc, but this is Node.js for ${process.arch}`,
  );
});

test("a libtorch that is gone is named by its file", () => {
  built();
  rmSync(libtorch, { recursive: true });
  const library = path.join(libtorch, "lib", "libtorch_cpu.so");
  expectFailure("ERR_ADDON_LOAD", library, "the libtorch that the addon was built with is gone");
});

test("a libtorch whose minor version has changed is refused before it is loaded", () => {
  built();
  write(path.join(libtorch, "version.py"), "__version__ = '2.14.1+cu130'\n");
  expectFailure(
    "ERR_LIBTORCH_VERSION",
    addon,
    `libtorch 2.13, but ${libtorch} now holds 2.14.1+cu130`,
  );
});

test("a libtorch without Python's version.py is known by its header", () => {
  built();
  rmSync(path.join(libtorch, "version.py"));
  const header = path.join(libtorch, "include", "torch", "headeronly", "version.h");
  write(header, '#define TORCH_VERSION \\\n  "2.12.0"\n');
  expectFailure("ERR_LIBTORCH_VERSION", addon, `libtorch 2.13, but ${libtorch} now holds 2.12.0`);
});

test("a libtorch of another minor version that the process has loaded already is refused", () => {
  built();
  rmSync(path.join(libtorch, "version.py"));
  loadsAs({ builtWithLibtorch: "2.13", libtorchVersion: "2.12.1" });
  expectFailure("ERR_LIBTORCH_VERSION", addon, "libtorch 2.13, but this process has loaded 2.12.1");
});

test("an addon without a record of its build is still tried", () => {
  built();
  rmSync(path.join(lib, "build-info.json"));
  loadsAs({ builtWithLibtorch: "2.13", libtorchVersion: "2.13.1" });
  expect(loadAddon(lib).libtorchVersion).toBe("2.13.1");
});

test.each(["", "{", "null", "[]", '{ "arch": "sparc" }', '{ "arch": "x64", "libtorch": {} }'])(
  "a record of the build that is damaged counts as none: %j",
  (text) => {
    built();
    write(path.join(lib, "build-info.json"), text);
    loadsAs({ builtWithLibtorch: "2.13", libtorchVersion: "2.13.1" });
    expect(loadAddon(lib).libtorchVersion).toBe("2.13.1");
  },
);

test("what the dynamic loader says is passed on, with its error as the cause", () => {
  built();
  chmodSync(addon, 0o644);
  expectFailure("ERR_ADDON_LOAD", addon, "file too short");
  expect(Object(failure().cause)).toHaveProperty("code", "ERR_DLOPEN_FAILED");
});

describe("OpenMP's threads", () => {
  const names = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT"] as const;
  const seen = () => names.map((name) => process.env[name]);
  const before = seen();

  beforeEach(() => {
    for (const name of names) Reflect.deleteProperty(process.env, name);
  });
  afterAll(() => {
    for (const [i, name] of names.entries()) {
      if (before[i] !== undefined) process.env[name] = before[i];
    }
  });

  test("are told to spin briefly while the addon is loaded, and nobody else is", () => {
    expect(waitingBriefly(seen)).toEqual([undefined, "1000"]);
    expect(seen()).toEqual([undefined, undefined]);
    expect(() =>
      waitingBriefly(() => {
        throw new Error("no addon");
      }),
    ).toThrow("no addon");
    expect(seen()).toEqual([undefined, undefined]);
  });

  test.each([
    ["OMP_WAIT_POLICY", ["active", undefined]],
    ["GOMP_SPINCOUNT", [undefined, "active"]],
  ])("wait as the user says with %s", (name, expected) => {
    process.env[name] = "active";
    expect(waitingBriefly(seen)).toEqual(expected);
    expect(seen()).toEqual(expected);
  });
});
