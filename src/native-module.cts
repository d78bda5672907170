import { loadNative } from "./loader.cjs";
import type { NativeModule } from "./native.cjs";

let replacement: NativeModule | undefined;

/** The addon, loaded when it is first needed: importing the library alone loads no libtorch. */
export function nativeModule(): NativeModule {
  return replacement ?? loadNative();
}

/** For tests of the facade alone: what stands in for the addon from now on; undefined: the addon again. */
export function replaceNativeModule(native: NativeModule | undefined): void {
  replacement = native;
}
