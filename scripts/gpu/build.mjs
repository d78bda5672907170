/** Builds what check:gpu runs, by CMake alone: neither npm packages nor a network are needed. */
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";

import { cudaDefinitions } from "../setup/addon.mjs";
import { output, run } from "../setup/process.mjs";
import { root } from "../setup/project.mjs";

export const BUILD = path.join(root, "build", "gpu");

/**
 * @param {import("../setup/libtorch.mjs").Libtorch} libtorch
 * @returns {Promise<string>} the program of `test/gpu`
 */
export async function buildGpuCheck(libtorch) {
  const folder = path.join(BUILD, "bin");
  const definitions = {
    ...cudaDefinitions(libtorch),
    BERTCNN_BUILD_TOOLS: "ON",
    BERTCNN_LIBTORCH: libtorch.directory,
    BERTCNN_ADDON_DIR: folder,
  };
  const defined = Object.entries(definitions).map(([name, value]) => `-D${name}=${value}`);
  const fresh = !existsSync(path.join(BUILD, "CMakeCache.txt"));
  const generator = fresh && output("ninja", ["--version"]) !== null ? ["-G", "Ninja"] : [];
  const log = path.join(BUILD, "build.log");
  await run("cmake", ["-S", root, "-B", BUILD, ...generator, ...defined], {
    what: "configuring with CMake",
    log,
  });
  const jobs = String(Math.max(1, Math.min(os.availableParallelism(), os.totalmem() / 1.5e9)) | 0);
  await run(
    "cmake",
    ["--build", BUILD, "--parallel", jobs, "--target", "bertcnn_gpu_check", "bertcnn_cuda"],
    { what: "building the check", log },
  );
  return path.join(folder, "bertcnn_gpu_check");
}
