import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { BertCnnError } from "./errors.cjs";
import type { NativeModule } from "./native.cjs";

const LIB = path.join(__dirname, "..", "lib");
const ADDON = path.join(LIB, "bertcnn.node");
const BUILD_INFO = path.join(LIB, "build-info.json");
const REMEDY = "Run 'npx bertcnn setup', which brings libtorch where it is missing and builds the addon.";

/** What set-up records beside the addon. */
interface BuildInfo {
  arch: string;
  libtorch: { directory: string; minor: string };
}

let loaded: NativeModule | undefined;

/**
 * The native addon, loaded once.
 *
 * @throws BertCnnError `ERR_ADDON_LOAD` or `ERR_LIBTORCH_VERSION`, with the file that was tried, why it cannot
 *   be loaded and what to run
 */
export function loadNative(): NativeModule {
  if (!loaded) {
    checkBeforeLoading();
    const native = load();
    checkLibtorchVersion(native.builtWithLibtorch, native.libtorchVersion, "the process has loaded");
    loaded = native;
  }
  return loaded;
}

/** Finds what can be told without the dynamic loader, whose own words seldom say what to do. */
function checkBeforeLoading(): void {
  if (!existsSync(ADDON)) throw loadError(ADDON, "the file does not exist: the addon has not been built");
  const info = readBuildInfo();
  if (!info) return;
  if (info.arch !== process.arch) {
    throw loadError(ADDON, `it was built for ${info.arch}, but this Node.js runs on ${process.arch}`);
  }
  const { directory, minor } = info.libtorch;
  const library = path.join(directory, "lib", "libtorch_cpu.so");
  if (!existsSync(library)) throw loadError(library, "the libtorch that the addon was built with is gone");
  const version = versionIn(directory);
  if (version) checkLibtorchVersion(minor, version, `${directory} holds`);
}

function load(): NativeModule {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only require loads an addon
    return require(ADDON) as NativeModule;
  } catch (error) {
    throw loadError(ADDON, error instanceof Error ? error.message : String(error), error);
  }
}

/** libtorch keeps its binary interface within a minor version only. */
function checkLibtorchVersion(built: string, version: string, holder: string): void {
  if (version.split(".").slice(0, 2).join(".") === built) return;
  throw new BertCnnError(
    "ERR_LIBTORCH_VERSION",
    `${ADDON} was built with libtorch ${built}, but ${holder} ${version}. ${REMEDY}`,
  );
}

function loadError(file: string, reason: string, cause?: unknown): BertCnnError {
  const message = `The native addon cannot be loaded. Tried ${file}: ${reason}. ${REMEDY}`;
  return new BertCnnError("ERR_ADDON_LOAD", message, { cause });
}

function readBuildInfo(): BuildInfo | undefined {
  const text = readText(BUILD_INFO);
  return text === undefined ? undefined : (JSON.parse(text) as BuildInfo);
}

/** By the wheel's version.py or by libtorch's header; undefined where both were removed after the build. */
function versionIn(directory: string): string | undefined {
  const wheel = readText(path.join(directory, "version.py"))?.match(/^__version__ = '([^']+)'/m);
  if (wheel) return wheel[1];
  const header = readText(path.join(directory, "include", "torch", "headeronly", "version.h"));
  return header?.match(/#define TORCH_VERSION\s*\\?\s*"([^"]+)"/)?.[1];
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
