import { chmodSync } from "node:fs";
import path from "node:path";

import { Tree } from "./support.cjs";

// Each test starts several programs, on a machine that may be busy.
jest.setTimeout(60_000);

let tree: Tree;
let torch: string;
beforeEach(() => {
  tree = new Tree();
  torch = tree.libtorch("site/torch", "2.14.1", { cuda: true });
  tree.write("site/torch/version.py", "__version__ = '2.14.1'\ncuda: Optional[str] = '13.0'\n");
});
afterEach(() => {
  tree.remove();
});

const IMPORTS = `import { findNvcc } from "./scripts/setup/cuda.mjs";`;

function search(env: Record<string, string> = {}) {
  const body = `console.log(JSON.stringify(findNvcc({ directory: "${torch}" })));`;
  return tree.module(IMPORTS, body, env);
}

function find(env: Record<string, string> = {}): { nvcc: string; version: string } {
  const { stdout, stderr } = search(env);
  expect(stderr).toBe("");
  return JSON.parse(stdout) as { nvcc: string; version: string };
}

/** An nvcc that tells its version as the real one does. */
function nvcc(name: string, version: string): string {
  const line = `echo "Cuda compilation tools, release ${version}, V${version}.88"`;
  const file = tree.write(name, `#!/bin/sh\n${line}\n`);
  chmodSync(file, 0o755);
  return file;
}

test("nvcc of the wheels beside libtorch is taken before the path's", () => {
  const beside = nvcc("site/nvidia/cu13/bin/nvcc", "13.0");
  nvcc("bin/nvcc", "13.2");
  expect(find()).toEqual({ nvcc: beside, version: "13.0" });
});

test("CUDACXX is taken before all others", () => {
  nvcc("site/nvidia/cu13/bin/nvcc", "13.0");
  const named = nvcc("elsewhere/nvcc", "13.1");
  expect(find({ CUDACXX: named })).toEqual({ nvcc: named, version: "13.1" });
});

test("nvcc of another major version is passed over for one that fits", () => {
  const old = nvcc("elsewhere/nvcc", "12.9");
  const home = nvcc("toolkit/bin/nvcc", "13.0");
  const env = { CUDACXX: old, CUDA_HOME: path.dirname(path.dirname(home)) };
  expect(find(env)).toEqual({ nvcc: home, version: "13.0" });
});

test("where only another version is there, it is named, and what to install", () => {
  const old = nvcc("elsewhere/nvcc", "12.9");
  // Of no CUDA that the machine of the test may have.
  tree.write("site/torch/version.py", "__version__ = '2.14.1'\ncuda = '99.0'\n");
  const { stderr, status } = search({ CUDACXX: old });
  expect(status).toBe(1);
  expect(stderr).toContain("needs nvcc of CUDA 99");
  expect(stderr).toContain(`found only ${old} (12.9)`);
  expect(stderr).toContain("pip install 'cuda-toolkit[nvcc,cccl]==99.0.*'");
  expect(stderr).toContain("CUDACXX");
});

test("the wanted version is that of libtorch", () => {
  tree.write("site/torch/version.py", "__version__ = '2.11.0'\ncuda = '12.8'\n");
  const old = nvcc("elsewhere/nvcc", "12.9");
  expect(find({ CUDACXX: old })).toEqual({ nvcc: old, version: "12.9" });
});
