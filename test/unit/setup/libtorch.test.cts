import { mkdirSync, rmSync, truncateSync } from "node:fs";
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

interface Found {
  directory: string;
  version: string;
  minor: string;
  variant: string;
  source: string;
}

const IMPORTS = `
import { findLibtorch } from "./scripts/setup/libtorch.mjs";
import { selectNvidia } from "./scripts/setup/fetch.mjs";`;

function search(wish: object, current: object | null, env: Record<string, string>) {
  const args = `${JSON.stringify(wish)}, ${JSON.stringify(current)}`;
  const body = `console.log(JSON.stringify(await findLibtorch(${args})));`;
  return tree.module(IMPORTS, body, env);
}

function find(wish: object = {}, current: object | null = null, env: Record<string, string> = {}) {
  const { stdout, stderr } = search(wish, current, env);
  expect(stderr).toBe("");
  return JSON.parse(stdout) as Found;
}

function refusal(wish: object, env: Record<string, string> = {}): string {
  const { stderr, status } = search(wish, null, env);
  expect(status).toBe(1);
  return stderr;
}

/** A Python that says where its torch is, and that has no pip. */
function pythonWithTorch(folder: string): void {
  tree.program("python3", `[ "$1" = -c ] && echo ${folder} && exit 0`, "exit 1");
}

test("BERTCNN_LIBTORCH wins over the one in use, the cache and Python", () => {
  const named = tree.libtorch("named", "2.12.1");
  const used = tree.libtorch("used", "2.13.0");
  tree.cachedLibtorch("2.13.0-cpu", "2.13.0+cpu");
  pythonWithTorch(tree.libtorch("python/torch", "2.14.1"));
  const found = find({}, { directory: used, source: "cache" }, { BERTCNN_LIBTORCH: named });
  expect(found).toEqual({
    directory: named,
    version: "2.12.1",
    minor: "2.12",
    variant: "cpu",
    source: "BERTCNN_LIBTORCH",
  });
});

test("BERTCNN_LIBTORCH may also be the folder above", () => {
  const wheel = tree.libtorch("wheel/torch", "2.13.0+cpu");
  const zip = tree.libtorch("zip/libtorch", "2.13.0", { wheel: false });
  expect(find({}, null, { BERTCNN_LIBTORCH: path.dirname(wheel) }).directory).toBe(wheel);
  expect(find({}, null, { BERTCNN_LIBTORCH: path.dirname(zip) })).toMatchObject({
    directory: zip,
    version: "2.13.0",
  });
});

test("the libtorch in use is kept while it is there", () => {
  const used = tree.libtorch("used", "2.14.1");
  tree.cachedLibtorch("2.13.0-cpu", "2.13.0+cpu");
  expect(find({}, { directory: used, source: "Python" })).toMatchObject({
    directory: used,
    source: "Python",
  });
  expect(find({}, { directory: `${used}-gone`, source: "Python" }).source).toBe("cache");
});

test("the cache wins over Python, and Python is asked where the cache is empty", () => {
  const torch = tree.libtorch("python/torch", "2.14.1+cu130", { cuda: true });
  pythonWithTorch(torch);
  expect(find()).toMatchObject({ directory: torch, source: "Python", variant: "cuda" });
  tree.cachedLibtorch("2.13.0-cpu", "2.13.0+cpu");
  expect(find()).toMatchObject({ version: "2.13.0+cpu", source: "cache" });
});

test("a cached libtorch that is damaged is passed over, and so is one in use", () => {
  const entry = tree.cachedLibtorch("2.13.0-cpu", "2.13.0+cpu");
  const current = { directory: path.join(entry, "torch"), source: "cache" };
  expect(find({}, current).source).toBe("cache");
  // Its size is right, but the loader does not find what it needs.
  tree.program("ldd", "printf '\\tlibgone.so => not found\\n'");
  const nothingElse = "missing: Python 3 with pip";
  expect(search({}, null, {}).stderr).toContain(nothingElse);
  rmSync(path.join(tree.bin, "ldd"));

  truncateSync(path.join(entry, "torch", "version.py"), 28);
  expect(search({}, null, {}).stderr).toContain(nothingElse);
  expect(search({}, current, {}).stderr).toContain(nothingElse);
});

test("a cached libtorch without its manifest is passed over", () => {
  rmSync(path.join(tree.cachedLibtorch("2.13.0-cpu", "2.13.0+cpu"), "manifest.json"));
  expect(refusal({})).toContain("missing: Python 3 with pip");
});

test("what was asked for passes over all that is something else", () => {
  const used = tree.libtorch("used", "2.13.0");
  tree.cachedLibtorch("2.13.0-cpu", "2.13.0+cpu");
  pythonWithTorch(tree.libtorch("python/torch", "2.12.0"));
  tree.cachedLibtorch("2.11.0-cpu", "2.11.0+cu130");
  const current = { directory: used, source: "cache" };
  expect(find({ version: "2.11.0" }, current).version).toBe("2.11.0+cu130");
  tree.cachedLibtorch("2.14.1-cuda", "2.14.1+cu130", { cuda: true });
  expect(find({ variant: "cuda" }, current)).toMatchObject({
    version: "2.14.1+cu130",
    variant: "cuda",
  });
});

test("Python's torch of an unsupported version is passed over", () => {
  pythonWithTorch(tree.libtorch("python/torch", "2.10.2"));
  // Next comes fetching, for which this Python has no pip.
  expect(refusal({})).toContain("missing: Python 3 with pip");
});

test.each(["2.10.2", "2.15.0", "1.13.1", "3.11.0"])("libtorch %s is refused by name", (version) => {
  const folder = tree.libtorch("named", version);
  expect(refusal({}, { BERTCNN_LIBTORCH: folder })).toContain(
    `BERTCNN_LIBTORCH=${folder}, which is libtorch ${version}, is not supported: libtorch 2.11 to 2.14 is.`,
  );
  expect(refusal({ version })).toContain(`--libtorch-version ${version} is not supported`);
});

test("a BERTCNN_LIBTORCH that is no libtorch is refused by name", () => {
  expect(refusal({}, { BERTCNN_LIBTORCH: tree.bin })).toContain(
    `BERTCNN_LIBTORCH=${tree.bin} is no libtorch: neither it nor its`,
  );
});

test("a BERTCNN_LIBTORCH that is not what the options ask for is refused", () => {
  const folder = tree.libtorch("named", "2.13.0+cpu");
  const env = { BERTCNN_LIBTORCH: folder };
  expect(refusal({ version: "2.14.1" }, env)).toContain(
    "is libtorch 2.13.0+cpu, but 2.14.1 was asked for",
  );
  expect(refusal({ variant: "cuda" }, env)).toContain("is a CPU build");
});

test("a libtorch whose own libraries are missing is refused with their names", () => {
  const folder = tree.libtorch("named", "2.14.1");
  tree.program(
    "ldd",
    "printf '\\tlibc.so.6 => /lib/libc.so.6 (0x1)\\n\\tlibcupti.so.13 => not found\\n'",
  );
  expect(refusal({}, { BERTCNN_LIBTORCH: folder })).toContain(
    "needs libcupti.so.13, which the loader does not find",
  );
});

test("the cache lies in BERTCNN_CACHE, else XDG_CACHE_HOME, else the home folder", () => {
  const imports = `import { cacheDirectory } from "./scripts/setup/cache.mjs";`;
  const environments = [
    { BERTCNN_CACHE: "/a", XDG_CACHE_HOME: "/b", HOME: "/c" },
    { XDG_CACHE_HOME: "/b", HOME: "/c" },
    { HOME: "/c" },
  ];
  const body = `console.log(JSON.stringify(${JSON.stringify(environments)}.map(cacheDirectory)));`;
  expect(JSON.parse(tree.module(imports, body).stdout)).toEqual([
    "/a",
    "/b/bertcnn",
    "/c/.cache/bertcnn",
  ]);
});

test("a relative folder is meant from where npm was called, if npm has changed to the package", () => {
  const named = tree.libtorch("project/torch", "2.13.0");
  const env = { BERTCNN_LIBTORCH: "torch", INIT_CWD: path.join(tree.root, "project") };
  expect(find({}, null, env).directory).toBe(named);
  expect(find({}, null, { BERTCNN_LIBTORCH: "project/torch" }).directory).toBe(named);

  const imports = `import { cacheDirectory } from "./scripts/setup/cache.mjs";`;
  const place = (body: string): string =>
    tree.module(imports, body, { BERTCNN_CACHE: "c", INIT_CWD: "/called" }).stdout.trim();
  expect(place(`console.log(cacheDirectory());`)).toBe("/called/c");
  mkdirSync(path.join(tree.root, "else"));
  const elsewhere = path.join(tree.root, "else", "c");
  expect(place(`process.chdir("else"); console.log(cacheDirectory());`)).toBe(elsewhere);
});

describe("the releases to check against", () => {
  /** What set-up makes of that listing by pip. */
  function served(...listing: string[]) {
    const listed = listing.map((line) => `echo '${line}'`);
    tree.program("python3", '[ "$4" = versions ] || exit 0', ...listed);
    const imports = `import { oldestAndNewestServed } from "./scripts/setup/libtorch.mjs";`;
    return tree.module(imports, "console.log(oldestAndNewestServed().join());");
  }

  test("are the newest patches of the oldest and the newest supported that pip serves", () => {
    const all = "2.15.0, 2.14.2, 2.14.10, 2.13.0, 2.11.1, 2.11.0, 2.10.0, 1.13.1";
    expect(served("torch (2.15.0)", `Available versions: ${all}`).stdout).toBe("2.11.1,2.14.10\n");
    expect(served("Available versions: 2.13.0, 2.13.1").stdout).toBe("2.13.1\n");
  });

  test("are not guessed when pip tells none that is supported, or none at all", () => {
    expect(served("Available versions: 2.10.0").stderr).toBe(
      "bertcnn: pip serves no torch 2.11 to 2.14, only 2.10.0.\n",
    );
    expect(served().stderr).toContain("pip does not tell which versions of torch it serves");
  });
});

test("of CUDA's packages the CPU needs two, CUDA all but Python's, and its compiler", () => {
  const metadata = [
    "Requires-Dist: sympy>=1.13.3",
    'Requires-Dist: cuda-toolkit[cublas,cudart,cupti]==13.0.3; platform_system == "Linux"',
    'Requires-Dist: cuda-bindings<14,>=13.0.3; platform_system == "Linux"',
    'Requires-Dist: nvidia-cudnn-cu13==9.24.0.43; platform_system == "Linux"',
    'Requires-Dist: triton~=3.8.0; platform_system == "Linux"',
  ].join("\n");
  const select = (text: string, variant: string): unknown => {
    const args = `${JSON.stringify(text)}, "${variant}"`;
    const body = `console.log(JSON.stringify(selectNvidia(${args})));`;
    return JSON.parse(tree.module(IMPORTS, body).stdout);
  };
  expect(select(metadata, "cpu")).toEqual(["cuda-toolkit[cudart,cupti]==13.0.3"]);
  expect(select(metadata, "cuda")).toEqual([
    "cuda-toolkit[cublas,cudart,cupti,nvcc,cccl]==13.0.3",
    "nvidia-cudnn-cu13==9.24.0.43",
  ]);
  expect(select("Requires-Dist: sympy>=1.13.3", "cuda")).toEqual([]);
});
