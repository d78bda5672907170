import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { BertCnnError } from "./errors.cjs";
import type { NativeModule } from "./native.cjs";

const REMEDY =
  "Run 'npx bertcnn setup', which brings libtorch where it is missing and builds the addon.";

/** What set-up records beside the addon. */
interface BuildInfo {
  arch: string;
  libtorch: { directory: string; minor: string };
}

let loaded: NativeModule | undefined;

/**
 * The native addon of this package, loaded once.
 *
 * @throws BertCnnError `ERR_ADDON_LOAD` or `ERR_LIBTORCH_VERSION`, with the file that was tried, why it cannot
 *   be loaded and what to run
 */
export function loadNative(): NativeModule {
  loaded ??= loadAddon(path.join(__dirname, "..", "lib"));
  return loaded;
}

/** Loads the addon that set-up put into the folder `lib`. */
export function loadAddon(lib: string): NativeModule {
  const addon = path.join(lib, "bertcnn.node");
  checkBeforeLoading(addon, readBuildInfo(lib));
  const native = load(addon);
  const { builtWithLibtorch, libtorchVersion } = native;
  checkLibtorchVersion(addon, builtWithLibtorch, libtorchVersion, "this process has loaded");
  return native;
}

/** Finds what can be told without the dynamic loader, whose own words seldom say what to do. */
function checkBeforeLoading(addon: string, info: BuildInfo | undefined): void {
  if (!existsSync(addon)) {
    throw loadError(addon, "the file does not exist: the addon has not been built");
  }
  if (!info) return;
  if (info.arch !== process.arch) {
    throw loadError(
      addon,
      `it was built for ${info.arch}, but this is Node.js for ${process.arch}`,
    );
  }
  const { directory, minor } = info.libtorch;
  const library = path.join(directory, "lib", "libtorch_cpu.so");
  if (!existsSync(library)) {
    throw loadError(library, "the libtorch that the addon was built with is gone");
  }
  const version = versionIn(directory);
  if (version !== undefined) checkLibtorchVersion(addon, minor, version, `${directory} now holds`);
}

function load(addon: string): NativeModule {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- only require loads an addon
    return waitingBriefly(() => require(addon) as NativeModule);
  } catch (error) {
    // Not instanceof: the dynamic loader's error may come from another realm.
    throw loadError(addon, String((error as { message?: unknown }).message), error);
  }
}

/**
 * Loads OpenMP such that its threads spin for some microseconds while they wait for each other, and then sleep:
 * long enough to the next operation of a prediction. By default they spin for milliseconds, so that beside
 * anything else that is busy a small prediction takes many times as long, and the processors never rest. The
 * number is the smallest measured that is as fast as spinning on idle processors. OpenMP reads its environment
 * once, when it is loaded. What the user has set is left as it is, and what is set here is gone before a child
 * could inherit it.
 */
export function waitingBriefly<T>(load: () => T): T {
  const { env } = process;
  if (env["OMP_WAIT_POLICY"] !== undefined || env["GOMP_SPINCOUNT"] !== undefined) return load();
  env["GOMP_SPINCOUNT"] = "1000";
  try {
    return load();
  } finally {
    delete env["GOMP_SPINCOUNT"];
  }
}

/** libtorch keeps its binary interface within a minor version only. */
function checkLibtorchVersion(addon: string, built: string, version: string, holder: string): void {
  if (version.split(".").slice(0, 2).join(".") === built) return;
  throw new BertCnnError(
    "ERR_LIBTORCH_VERSION",
    `${addon} was built with libtorch ${built}, but ${holder} ${version}. ${REMEDY}`,
  );
}

function loadError(file: string, reason: string, cause?: unknown): BertCnnError {
  const message = `The native addon cannot be loaded. Tried ${file}: ${reason}. ${REMEDY}`;
  return new BertCnnError("ERR_ADDON_LOAD", message, { cause });
}

/** Undefined where the addon was built by hand, or the record is damaged: then the dynamic loader has the only word. */
function readBuildInfo(lib: string): BuildInfo | undefined {
  const text = readText(path.join(lib, "build-info.json"));
  const info = text === undefined ? undefined : parseJson(text);
  return isBuildInfo(info) ? info : undefined;
}

function isBuildInfo(info: unknown): info is BuildInfo {
  const { arch, libtorch } = Object(info) as Record<string, unknown>;
  const { directory, minor } = Object(libtorch) as Record<string, unknown>;
  return [arch, directory, minor].every((field) => typeof field === "string");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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
