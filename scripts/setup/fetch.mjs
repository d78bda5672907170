/** Fetches a PyTorch wheel by pip and unpacks the part of it that is a libtorch. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { makeOnce } from "./cache.mjs";
import { describeWheels, isWhole, writeManifest } from "./manifest.mjs";
import { output, run } from "./process.mjs";
import { say, SetupError } from "./project.mjs";
import { requireFetchTools } from "./tools.mjs";

const UNPACK = fileURLToPath(new URL("unpack_wheel.py", import.meta.url));

/** Headers for building; what libtorch_cpu.so loads (the last three on ARM); its version and licences. */
const CPU_PARTS = [
  "torch/include/*",
  "torch/version.py",
  "torch/lib/libtorch_cpu.so",
  "torch/lib/libc10.so",
  "torch/lib/libgomp*",
  "torch/lib/libarm_compute*",
  "torch/lib/libopenblas*",
  "torch.libs/*",
  "torch-*.dist-info/METADATA",
  "torch-*.dist-info/LICENSE*",
  "torch-*.dist-info/NOTICE*",
  "torch-*.dist-info/licenses/*",
];
const CUDA_PARTS = [
  "torch/lib/libtorch_cuda*.so",
  "torch/lib/libc10_cuda.so",
  "torch/lib/libtorch_nvshmem.so",
  "torch/lib/libcaffe2_nvrtc.so",
];
/** NVIDIA's wheels lie beside torch, where the run path inside PyTorch's libraries looks for them. */
const NVIDIA_PARTS = [
  "nvidia/*/lib/*.so*",
  "nvidia_*.dist-info/*icense*",
  "nvidia_*.dist-info/*ICENSE*",
];
/** What compiles libbertcnn_cuda: nvcc with its tools, and CUDA's headers. */
const TOOLKIT_PARTS = ["nvidia/*/bin/*", "nvidia/*/nvvm/*", "nvidia/*/include/*"];
/** All that libtorch_cpu.so of a CUDA build loads, even where no CUDA is used. */
const NVIDIA_PARTS_FOR_CPU = [
  "nvidia/*/lib/libcudart.so.*",
  "nvidia/*/lib/libcupti.so.*",
  ...NVIDIA_PARTS.slice(1),
];

/**
 * Makes `entry` in the cache, unless it is there and whole.
 *
 * @param {{ entry: string, version: string, variant: "cpu" | "cuda" }} wanted
 */
export async function fetchLibtorch({ entry, version, variant }) {
  requireFetchTools();
  const make = async (folder) => {
    const wheels = path.join(folder, "wheels");
    say(`fetching libtorch (torch ${version}) by pip`);
    await download([`torch==${version}`], ["--no-deps"], wheels);
    const torch = wheelsIn(wheels);
    await unpack(torch, folder, variant === "cuda" ? [...CPU_PARTS, ...CUDA_PARTS] : CPU_PARTS);

    const requirements = nvidiaRequirements(folder, variant);
    if (requirements.length > 0) {
      say(
        `fetching ${variant === "cuda" ? "CUDA's libraries" : "the two CUDA libraries that this build loads"}`,
      );
      await download(requirements, [], wheels);
      const nvidia = wheelsIn(wheels).filter((wheel) => !torch.includes(wheel));
      await unpack(
        nvidia,
        folder,
        variant === "cuda" ? [...NVIDIA_PARTS, ...TOOLKIT_PARTS] : NVIDIA_PARTS_FOR_CPU,
      );
    }
    const sources = await describeWheels(wheelsIn(wheels));
    rmSync(wheels, { recursive: true });
    writeManifest(folder, { version, variant, wheels: sources });
  };
  await makeOnce(entry, make, isWhole);
}

/**
 * The releases of PyTorch that pip serves here.
 *
 * @returns {string[]} newest first, as pip lists them
 */
export function servedVersions() {
  requireFetchTools();
  const args = ["-m", "pip", "index", "versions", "torch"];
  const listed = output("python3", args)?.match(/^Available versions: (.+)$/m)?.[1];
  if (!listed) {
    throw new SetupError(
      "pip does not tell which versions of torch it serves: " +
        "'python3 -m pip index versions torch' says why (pip 21.2 or later is needed).",
    );
  }
  return listed.split(",").map((version) => version.trim());
}

/** pip checks each wheel against the checksum of the index that serves it. */
async function download(requirements, options, wheels) {
  const scratch = path.join(wheels, "pip");
  mkdirSync(scratch, { recursive: true });
  const pip = [
    "-m",
    "pip",
    "download",
    "--only-binary=:all:",
    "--no-cache-dir",
    "--progress-bar=off",
  ];
  // /tmp is often too small for a wheel, and pip's own cache would keep a second copy.
  const env = { ...process.env, TMPDIR: scratch, PIP_DISABLE_PIP_VERSION_CHECK: "1" };
  const args = [...pip, ...options, "-d", wheels, ...requirements];
  try {
    await run("python3", args, { what: "pip download", env });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    throw new SetupError(
      `pip cannot give ${requirements.join(", ")} for ${output("python3", ["--version"])} (its words are above). ` +
        "Unpack a libtorch or a torch wheel yourself and name its folder in BERTCNN_LIBTORCH.",
    );
  }
  rmSync(scratch, { recursive: true, force: true });
}

function wheelsIn(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".whl"));
  return names.sort().map((name) => path.join(folder, name));
}

async function unpack(wheels, folder, parts) {
  for (const wheel of wheels) {
    await run("python3", [UNPACK, wheel, folder, ...parts], {
      what: `unpacking ${path.basename(wheel)}`,
    });
  }
}

/**
 * The NVIDIA packages that a CUDA build names in its metadata; none for a CPU build. For use on the CPU alone
 * the toolkit's extras are cut down to the two that libtorch_cpu.so loads; for CUDA the compiler of the same
 * toolkit comes on top.
 */
function nvidiaRequirements(folder, variant) {
  const info = readdirSync(folder).find((name) => /^torch-.*\.dist-info$/.test(name));
  if (!info) throw new SetupError("the torch wheel has no METADATA");
  const metadata = readFileSync(path.join(folder, info, "METADATA"), "utf8");
  return selectNvidia(metadata, variant);
}

/** @returns {string[]} requirements for pip, without environment markers */
export function selectNvidia(metadata, variant) {
  const all = [...metadata.matchAll(/^Requires-Dist: ((?:cuda-toolkit|nvidia-)[^;\r\n]*)/gm)];
  const requirements = all.map((match) => match[1].trim());
  if (variant === "cuda") {
    return requirements.map((requirement) =>
      requirement.replace(/^cuda-toolkit\[([^\]]*)\]/, "cuda-toolkit[$1,nvcc,cccl]"),
    );
  }
  return requirements
    .filter((requirement) => /^(cuda-toolkit|nvidia-cuda-(runtime|cupti))/.test(requirement))
    .map((requirement) =>
      requirement.replace(/^cuda-toolkit\[[^\]]*\]/, "cuda-toolkit[cudart,cupti]"),
    );
}
