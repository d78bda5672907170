/** Finds the compiler of libbertcnn_cuda's kernels: nvcc of the CUDA that libtorch was built with. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { output } from "./process.mjs";
import { SetupError } from "./project.mjs";

/**
 * nvcc of libtorch's CUDA version: the first of `CUDACXX`, the wheels beside libtorch, `CUDA_HOME`, the path,
 * `/usr/local/cuda`. Its major version must be libtorch's, or its objects would want another cudart.
 *
 * @param {import("./libtorch.mjs").Libtorch} libtorch
 * @returns {{ nvcc: string, version: string }}
 */
export function findNvcc(libtorch, env = process.env) {
  const wanted = cudaVersion(libtorch);
  const others = [];
  for (const nvcc of candidates(libtorch, env)) {
    const version = output(nvcc, ["--version"])?.match(/release (\d+\.\d+)/)?.[1];
    if (!version) continue;
    if (major(version) === major(wanted)) return { nvcc, version };
    others.push(`${nvcc} (${version})`);
  }
  const found = others.length > 0 ? `only ${others.join(", ")}` : "none";
  throw new SetupError(
    `--variant cuda compiles kernels, which needs nvcc of CUDA ${major(wanted)}, as ${libtorch.directory} is built ` +
      `with CUDA ${wanted}; found ${found}. Install that toolkit, or its compiler beside this torch ` +
      `(python3 -m pip install 'cuda-toolkit[nvcc,cccl]==${wanted}.*'), or name nvcc in CUDACXX.`,
  );
}

/** "13.0", as libtorch's maker says. A libtorch that is no wheel does not, and is taken for one of the pinned CUDA. */
function cudaVersion({ directory }) {
  const file = path.join(directory, "version.py");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  return text.match(/^cuda\b.*= '(\d+\.\d+)/m)?.[1] ?? "13.0";
}

function major(version) {
  return version.split(".")[0];
}

function candidates({ directory }, env) {
  const places = [env.CUDACXX, ...besideTorch(directory)];
  if (env.CUDA_HOME) places.push(path.join(env.CUDA_HOME, "bin", "nvcc"));
  places.push(output("sh", ["-c", "command -v nvcc"]), "/usr/local/cuda/bin/nvcc");
  return places.filter(Boolean);
}

/** NVIDIA's wheels put it into `nvidia/cu13/bin`, next to `torch`. */
function besideTorch(directory) {
  const nvidia = path.join(path.dirname(directory), "nvidia");
  const folders = existsSync(nvidia) ? readdirSync(nvidia) : [];
  const tools = folders.map((name) => path.join(nvidia, name, "bin", "nvcc"));
  return tools.filter((nvcc) => existsSync(nvcc));
}
