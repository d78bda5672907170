import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync } from "node:fs";
import path from "node:path";

import { Tree, until } from "./support.cjs";

/**
 * A pip that serves what lies in $WHEELS: it notes each call in $CALLS, and with $HANG set it leaves half a file
 * and lives as long as that. It stands in for the real one, which needs a network.
 */
const PIP = `
import os, shutil, sys, time
args = sys.argv[1:]
if args[0] == "--version":
    sys.exit(0)
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join(a for a in args if "==" in a) + "\\n")
folder = args[args.index("-d") + 1]
if os.environ.get("HANG"):
    half = os.path.join(folder, "torch-half.whl")
    open(half, "w").close()
    with open(os.environ["HANG"] + ".part", "w") as hanging:
        hanging.write(str(os.getpid()))
    os.rename(os.environ["HANG"] + ".part", os.environ["HANG"])
    while os.path.exists(half):
        time.sleep(0.05)
    sys.exit()
for requirement in (a for a in args if "==" in a):
    prefix = requirement.split("==")[0].split("[")[0].replace("-", "_")
    names = [n for n in os.listdir(os.environ["WHEELS"]) if n.startswith(prefix)]
    if not names:
        sys.exit("ERROR: No matching distribution found for " + requirement)
    for name in names:
        time.sleep(0.3)
        shutil.copy(os.path.join(os.environ["WHEELS"], name), folder)
`;

const MAKE_WHEEL = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    for name, text in json.loads(sys.argv[2]).items():
        wheel.writestr(name, text)
`;

// Each test starts several programs, on a machine that may be busy.
jest.setTimeout(60_000);

/** The interpreter itself: a version manager's stand-in on the path takes half a second for each start. */
const PYTHON = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], {
  encoding: "utf8",
}).stdout.trim();

let tree: Tree;
let env: Record<string, string>;

beforeEach(() => {
  tree = new Tree();
  tree.program("python3", `exec ${PYTHON} "$@"`);
  tree.write("pip/pip/__init__.py", "");
  tree.write("pip/pip/__main__.py", PIP);
  mkdirSync(path.join(tree.root, "wheels"));
  env = {
    PATH: `${tree.bin}:${process.env["PATH"] ?? ""}`,
    PYTHONPATH: path.join(tree.root, "pip"),
    CALLS: path.join(tree.root, "calls"),
    WHEELS: path.join(tree.root, "wheels"),
  };
});
afterEach(() => {
  tree.remove();
});

const IMPORTS = `import { fetchLibtorch } from "./scripts/setup/fetch.mjs";`;
const ENTRY = "cache/libtorch/entry";

function body(variant: string): string {
  return `await fetchLibtorch({ entry: "${ENTRY}", version: "2.13.0", variant: "${variant}" });`;
}

function fetch(variant = "cpu", extra: Record<string, string> = {}) {
  return tree.module(IMPORTS, body(variant), { ...env, ...extra });
}

/** The same in the background. */
function startFetch(extra: Record<string, string> = {}) {
  return tree.start(IMPORTS, body("cpu"), { ...env, ...extra });
}

function wheel(name: string, files: Record<string, string>): string {
  const file = path.join(tree.root, "wheels", name);
  const made = spawnSync(PYTHON, ["-c", MAKE_WHEEL, file, JSON.stringify(files)]);
  expect(made.status).toBe(0);
  return file;
}

const TORCH = {
  "torch/__init__.py": "python",
  "torch/version.py": "__version__ = '2.13.0'",
  "torch/include/ATen/ops/add.h": "header",
  "torch/lib/libtorch_cpu.so": "cpu",
  "torch/lib/libc10.so": "c10",
  "torch/lib/libgomp.so.1": "gomp",
  "torch/lib/libtorch_cuda.so": "cuda",
  "torch/lib/libc10_cuda.so": "cuda",
  "torch/lib/libtorch_python.so": "python",
  "torch-2.13.0.dist-info/METADATA": "Requires-Dist: sympy",
  "torch-2.13.0.dist-info/licenses/LICENSE": "licence",
  "torch-2.13.0.dist-info/RECORD": "record",
};

function torchWheel(metadata = TORCH["torch-2.13.0.dist-info/METADATA"]): string {
  const files = { ...TORCH, "torch-2.13.0.dist-info/METADATA": metadata };
  return wheel("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", files);
}

/** All files of the cache, below its libtorch folder. */
function cached(): string[] {
  const folder = path.join(tree.root, "cache", "libtorch");
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((file) => path.relative(folder, path.join(file.parentPath, file.name))).sort();
}

const UNPACKED = [
  "entry/manifest.json",
  "entry/torch-2.13.0.dist-info/METADATA",
  "entry/torch-2.13.0.dist-info/licenses/LICENSE",
  "entry/torch/include/ATen/ops/add.h",
  "entry/torch/lib/libc10.so",
  "entry/torch/lib/libgomp.so.1",
  "entry/torch/lib/libtorch_cpu.so",
  "entry/torch/version.py",
];

function calls(): string[] {
  return readFileSync(env["CALLS"] ?? "", "utf8")
    .trim()
    .split("\n");
}

test("only what building and running need is unpacked; checksum and sizes are recorded", () => {
  const file = torchWheel();
  expect(fetch().stderr).toBe("");
  expect(cached()).toEqual(UNPACKED);
  const bytes = readFileSync(file);
  const unpacked = UNPACKED.map((name) => path.relative("entry", name));
  expect(manifest()).toEqual({
    version: "2.13.0",
    variant: "cpu",
    wheels: [
      {
        name: path.basename(file),
        bytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      },
    ],
    files: Object.fromEntries(
      unpacked
        .filter((name) => name !== "manifest.json")
        .map((name) => [name, TORCH[name as keyof typeof TORCH].length]),
    ),
  });
});

function manifest(): unknown {
  return JSON.parse(readFileSync(path.join(tree.root, ENTRY, "manifest.json"), "utf8"));
}

test("an entry with an emptied library is fetched anew", () => {
  torchWheel();
  fetch();
  const library = path.join(tree.root, ENTRY, "torch", "lib", "libtorch_cpu.so");
  truncateSync(library);
  expect(fetch().stderr).toBe("");
  expect(calls()).toHaveLength(2);
  expect(readFileSync(library, "utf8")).toBe("cpu");
  expect(cached()).toEqual(UNPACKED);
});

test("an entry that records no sizes is fetched anew", () => {
  torchWheel();
  fetch();
  tree.write(`${ENTRY}/manifest.json`, JSON.stringify({ version: "2.13.0", wheels: [] }));
  expect(fetch().stderr).toBe("");
  expect(calls()).toHaveLength(2);
  expect(manifest()).toHaveProperty("files");
});

test("a damaged entry stays where pip cannot give another", () => {
  torchWheel();
  fetch();
  truncateSync(path.join(tree.root, ENTRY, "torch", "lib", "libtorch_cpu.so"));
  expect(fetch("cpu", { WHEELS: tree.bin }).stderr).toContain("pip cannot give torch==2.13.0");
  expect(cached()).toEqual(UNPACKED);
});

test("an entry gets its name only when all of it is on the disk", () => {
  torchWheel();
  const watch = `
    import fs from "node:fs";
    import { syncBuiltinESMExports } from "node:module";
    const flushed = new Set(), { fsyncSync, renameSync } = fs;
    fs.fsyncSync = (file) => {
      flushed.add(fs.fstatSync(file).ino);
      fsyncSync(file);
    };
    fs.renameSync = (from, to) => {
      if (to.endsWith("/entry")) {
        const names = ["", ...fs.readdirSync(from, { recursive: true })];
        const missing = names.filter((name) => !flushed.has(fs.statSync(from + "/" + name).ino));
        console.log("names:", names.length, "not flushed:", missing.join());
      }
      renameSync(from, to);
    };
    syncBuiltinESMExports();`;
  const { stdout } = tree.module(IMPORTS + watch, body("cpu"), env);
  expect(stdout).toMatch(/^names: \d\d not flushed: $/m);
});

test("a second call fetches nothing", () => {
  torchWheel();
  fetch();
  const { stdout, stderr } = fetch();
  expect(stdout + stderr).toBe("");
  expect(calls()).toEqual(["torch==2.13.0"]);
});

const CUDA_METADATA = "Requires-Dist: cuda-toolkit[cublas,cudart,cupti]==13.0.3; x";

function nvidiaWheel(): void {
  wheel("cuda_toolkit-13.0.3-py3-none-any.whl", {
    "nvidia/cu13/lib/libcudart.so.13": "cudart",
    "nvidia/cu13/lib/libcupti.so.13": "cupti",
    "nvidia/cu13/lib/libcublas.so.13": "cublas",
    "nvidia/cu13/lib/libcublas_static.a": "static",
    "nvidia/cu13/include/cublas.h": "header",
    "nvidia/cu13/bin/nvcc": "compiler",
    "nvidia/cu13/nvvm/bin/cicc": "compiler",
  });
}

test("a CUDA build that serves the CPU brings the two CUDA libraries that it loads", () => {
  torchWheel(CUDA_METADATA);
  nvidiaWheel();
  expect(fetch().stderr).toBe("");
  expect(calls()).toEqual(["torch==2.13.0", "cuda-toolkit[cudart,cupti]==13.0.3"]);
  const nvidia = ["libcudart.so.13", "libcupti.so.13"].map((n) => `entry/nvidia/cu13/lib/${n}`);
  expect(cached()).toEqual([...UNPACKED, ...nvidia].sort());
});

test("the CUDA variant brings every library of CUDA and its compiler", () => {
  torchWheel(CUDA_METADATA);
  nvidiaWheel();
  expect(fetch("cuda").stderr).toBe("");
  expect(calls()).toEqual(["torch==2.13.0", "cuda-toolkit[cublas,cudart,cupti,nvcc,cccl]==13.0.3"]);
  const cuda = [
    "entry/nvidia/cu13/bin/nvcc",
    "entry/nvidia/cu13/include/cublas.h",
    "entry/nvidia/cu13/lib/libcublas.so.13",
    "entry/nvidia/cu13/lib/libcudart.so.13",
    "entry/nvidia/cu13/lib/libcupti.so.13",
    "entry/nvidia/cu13/nvvm/bin/cicc",
    "entry/torch/lib/libc10_cuda.so",
    "entry/torch/lib/libtorch_cuda.so",
  ];
  expect(cached()).toEqual([...UNPACKED, ...cuda].sort());
});

test("when pip cannot give the wheel, its words and what to do instead are shown", () => {
  const { stderr, status } = fetch();
  expect(status).toBe(1);
  expect(stderr).toContain("No matching distribution found for torch==2.13.0");
  expect(stderr).toMatch(/pip cannot give torch==2\.13\.0 for Python 3.*BERTCNN_LIBTORCH/);
  expect(cached()).toEqual([]);
});

test("a damaged wheel leaves nothing in the cache", () => {
  tree.write("wheels/torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", "no zip");
  const { stderr, status } = fetch();
  expect(status).toBe(1);
  expect(stderr).toContain("unpacking torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl failed");
  expect(cached()).toEqual([]);
});

test("a wheel cannot write outside of the cache", () => {
  wheel("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", {
    "torch/include/../../../../../../escaped.h": "x",
  });
  expect(fetch().stderr).toContain("would be written outside of");
  expect(existsSync(path.join(tree.root, "escaped.h"))).toBe(false);
});

test("a set-up that was killed half way leaves a cache that the next one completes and tidies", async () => {
  torchWheel();
  const hanging = path.join(tree.root, "hanging");
  const first = startFetch({ HANG: hanging });
  await until(() => existsSync(hanging));
  first.kill("SIGKILL");
  await once(first, "exit");
  process.kill(Number(readFileSync(hanging, "utf8")), "SIGKILL");
  expect(cached().some((name) => name.endsWith(".lock"))).toBe(true);
  expect(cached().some((name) => name.endsWith("torch-half.whl"))).toBe(true);

  expect(fetch().stderr).toBe("");
  expect(cached()).toEqual(UNPACKED);
});

test("of two set-ups at once one fetches and the other waits for it", async () => {
  torchWheel();
  const both = [startFetch(), startFetch()];
  const codes = await Promise.all(
    both.map(async (child) => (await once(child, "exit"))[0] as number),
  );
  expect(codes).toEqual([0, 0]);
  expect(calls()).toEqual(["torch==2.13.0"]);
  expect(cached()).toEqual(UNPACKED);
});
