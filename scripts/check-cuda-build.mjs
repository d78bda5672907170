/**
 * Compiles and links libbertcnn_cuda without needing a card, looks at what it holds for which cards, and has an addon
 * load it that then says that no card is there. Builds in build/cuda; the addon in lib/ stays.
 */
import { spawnSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import path from "node:path";

import { fatBinaries } from "./checks/fatbin.mjs";
import { equal, must, shows } from "./checks/steps.mjs";
import { buildOtherAddon, cudaDefinitions } from "./setup/addon.mjs";
import { findNvcc } from "./setup/cuda.mjs";
import { findLibtorch } from "./setup/libtorch.mjs";
import { root } from "./setup/project.mjs";
import { reportingFailure, setUp } from "./setup.mjs";

const TARGETS = "compute_90 sm_80 sm_90";
const CHILD = path.join(root, "scripts", "checks", "cuda-child.mjs");

await reportingFailure(async () => {
  await setUp();
  const libtorch = await findLibtorch({ variant: "cuda" }, null);
  const { version } = findNvcc(libtorch);
  const addon = await shows(
    `libbertcnn_cuda compiles with nvcc ${version} and links with libtorch ${libtorch.version}`,
    () => buildOtherAddon(libtorch, "cuda", cudaDefinitions(libtorch)),
  );
  const library = path.join(path.dirname(addon), "libbertcnn_cuda.so");
  await checkLibrary(library, addon);
  await checkLoading(addon, library);
});

async function checkLibrary(library, addon) {
  await shows("each kernel file has binaries for sm_80 and sm_90, and PTX", () => {
    const files = fatBinaries(library);
    if (files.length === 0) throw new Error(`${library} holds no kernels`);
    for (const targets of files) equal([...targets].sort().join(" "), TARGETS, "targets");
  });
  await shows("the library exports its entry point only", () => {
    const symbols = must("nm", ["-D", "--defined-only", "--format=just-symbols", library]);
    equal(symbols.trim(), "bertcnn_cuda_entry", "exported symbols");
  });
  await shows("the addon needs nothing of CUDA", () => {
    const needed = must("readelf", ["-d", addon]).match(/NEEDED.*/g) ?? [];
    equal(needed.filter((line) => /cuda|cudart|nvidia/i.test(line)).join(), "", "libraries");
  });
}

async function checkLoading(addon, library) {
  await shows("the addon loads it, and says that there is no card", () => {
    const { code, message, device, warnings } = load(addon);
    equal(code, "ERR_DEVICE_UNAVAILABLE", "code");
    includes(message, "Device 'cuda' is not available: ");
    if (!/there is no NVIDIA driver|the NVIDIA driver offers no card/.test(message)) {
      throw new Error(`this does not say what is missing: ${message}`);
    }
    equal(device, "cpu", "device of 'auto'");
    equal(warnings.length, 1, "warnings of two models with device 'auto'");
    includes(warnings[0], "device 'auto' computes on the CPU: the");
  });
  const aside = `${library}.aside`;
  renameSync(library, aside);
  try {
    await shows("without the library it says what builds it, and 'auto' is the CPU", () => {
      const { code, message, device } = load(addon);
      equal(code, "ERR_DEVICE_UNAVAILABLE", "code");
      includes(message, `${library} has not been built; run 'npx bertcnn setup --variant cuda'`);
      equal(device, "cpu", "device of 'auto'");
    });
    writeFileSync(library, "no library");
    await shows("with a damaged one it passes on what the dynamic loader says", () => {
      const { code, message } = load(addon);
      equal(code, "ERR_DEVICE_UNAVAILABLE", "code");
      includes(message, "cannot be loaded");
    });
  } finally {
    renameSync(aside, library);
  }
}

/** What a process tells that has no card to see. */
function load(addon) {
  const env = { ...process.env, CUDA_VISIBLE_DEVICES: "" };
  const { stdout, stderr, status } = spawnSync(process.execPath, [CHILD, addon], {
    env,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`${CHILD} ${addon} ended with ${status}:\n${stderr}`);
  return JSON.parse(stdout);
}

function includes(text, part) {
  if (!text.includes(part)) throw new Error(`'${part}' is not in: ${text}`);
}
