/** `bertcnn doctor`: what is installed here, and what to do where something is missing. */
import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import { parseArgs } from "node:util";

import { readBuildInfo } from "./setup/addon.mjs";
import { cacheDirectory } from "./setup/cache.mjs";
import { PINNED, SUPPORTED } from "./setup/libtorch.mjs";
import { packageJson, requireFromHere } from "./setup/project.mjs";
import { atLeast, findCompiler } from "./setup/tools.mjs";

const HELP = `\
Usage: bertcnn doctor [--json]

Tells what is installed, which libtorch, what the processor offers and which device there is, and what to do where
something is missing. Exit code 1: models cannot be loaded.`;

/** What the processor offers beyond the least, as /proc/cpuinfo names it, and what that is for. */
const INSTRUCTIONS = {
  avx2: "vectors of 256 bits",
  avx512f: "vectors of 512 bits",
  avx512_vnni: "fast int8",
  avx512_bf16: "bfloat16",
};

/**
 * @typedef {object} Finding
 * @property {string} name
 * @property {"ok" | "note" | "problem"} status
 * @property {string} text
 * @property {string} [remedy] what to do
 */

/** @returns {Finding} */
const ok = (name, text) => ({ name, status: "ok", text });
/** @returns {Finding} */
const note = (name, text, remedy) => ({ name, status: "note", text, remedy });
/** @returns {Finding} */
const problem = (name, text, remedy) => ({ name, status: "problem", text, remedy });

function checkNode() {
  const least = packageJson.engines.node.replace(">=", "");
  const version = process.versions.node;
  return atLeast(version, least)
    ? ok("Node.js", version)
    : problem("Node.js", `${version}, too old`, `Use ${least} or newer.`);
}

function checkSystem() {
  const text = `${os.type()} ${os.release()}, ${os.arch()}`;
  return process.platform === "linux"
    ? ok("system", text)
    : problem("system", text, "bertcnn runs on Linux.");
}

/** @returns {{ flags: Set<string>, model: string }} */
function readProcessor() {
  const info = existsSync("/proc/cpuinfo") ? readFileSync("/proc/cpuinfo", "utf8") : "";
  const field = (name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, "m").exec(info)?.[1] ?? "";
  return { flags: new Set(field("flags").split(" ")), model: field("model name") || os.arch() };
}

function checkProcessor() {
  const { flags, model } = readProcessor();
  const has = Object.entries(INSTRUCTIONS).filter(([flag]) => flags.has(flag));
  const list = has.map(([flag, use]) => `${flag} (${use})`).join(", ") || "no vectors of AVX2";
  const text = `${model}, ${os.availableParallelism()} processors; ${list}`;
  if (flags.has("avx512_bf16")) return ok("processor", text);
  return note("processor", text, 'dtype "bfloat16" needs AVX-512 BF16; "float32" and "int8" work.');
}

function checkMemory() {
  const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GB`;
  return ok("memory", `${gigabytes(os.freemem())} free of ${gigabytes(os.totalmem())}`);
}

function checkAddon() {
  const built = readBuildInfo();
  if (!built) {
    return problem("addon", "not built", "Run `npx bertcnn setup`.");
  }
  return ok("addon", `built with libtorch ${built.libtorch?.version ?? "of unknown version"}`);
}

/** Loads it as a program would. */
async function checkLoading() {
  try {
    const { nativeModule } = requireFromHere("./dist/native-module.cjs");
    return ok("libtorch", `${nativeModule().libtorchVersion} (supported: ${SUPPORTED})`);
  } catch (error) {
    const remedy = `Run \`npx bertcnn setup\`, which takes libtorch ${PINNED.cpu} where it finds none.`;
    return problem("libtorch", `cannot be loaded: ${error.message}`, remedy);
  }
}

function checkDevice() {
  if (!existsSync("/dev/nvidia0")) return ok("device", "cpu; no NVIDIA device");
  return readBuildInfo()?.cuda === true
    ? ok("device", "cuda")
    : note(
        "device",
        "there is an NVIDIA device, and the addon is built for the CPU",
        "Run `npx bertcnn setup --variant cuda` to use it.",
      );
}

function checkCompiler() {
  const compiler = findCompiler();
  return compiler
    ? ok("compiler", compiler.command)
    : note("compiler", "none found", "Set-up needs g++ 11 or newer, or clang++.");
}

function checkCache() {
  const directory = cacheDirectory();
  return existsSync(directory)
    ? ok("cache", directory)
    : note("cache", `${directory}, not there yet`, "Set-up makes it.");
}

/** @returns {Promise<Finding[]>} */
export async function examine() {
  return [
    ok("bertcnn", packageJson.version),
    checkNode(),
    checkSystem(),
    checkProcessor(),
    checkMemory(),
    checkCompiler(),
    checkCache(),
    checkAddon(),
    await checkLoading(),
    checkDevice(),
  ];
}

/**
 * @param {string[]} argv
 * @returns {Promise<number>} the exit code
 */
export async function doctor(argv) {
  let values;
  try {
    const options = { json: { type: "boolean" }, help: { type: "boolean", short: "h" } };
    ({ values } = parseArgs({ args: argv, options }));
  } catch (error) {
    console.error(`bertcnn: ${error.message}\n${HELP}`);
    return 2;
  }
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const findings = await examine();
  const problems = findings.filter(({ status }) => status === "problem");
  if (values.json) console.log(JSON.stringify(findings, null, 2));
  else {
    const marks = { ok: "ok", note: "note", problem: "MISSING" };
    for (const { name, status, text, remedy } of findings) {
      console.log(`${marks[status].padEnd(8)}${name.padEnd(11)}${text}`);
      if (remedy) console.log(`${" ".repeat(19)}-> ${remedy}`);
    }
  }
  return problems.length === 0 ? 0 : 1;
}
