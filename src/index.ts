// One implementation for ESM and CommonJS: class identity holds across both.
export * from "./index.cjs";
