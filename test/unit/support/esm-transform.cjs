"use strict";

const { createHash } = require("node:crypto");
const ts = require("typescript");

const compilerOptions = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2022,
  allowJs: true,
  inlineSourceMap: true,
  esModuleInterop: true,
};

/**
 * Turns the project's ES modules into CommonJS for Jest, which otherwise loads them only behind a flag of Node.
 */
module.exports = {
  /** @param {string} source @param {string} file */
  process(source, file) {
    const url = 'require("node:url").pathToFileURL(__filename).href';
    const { outputText } = ts.transpileModule(source.replaceAll("import.meta.url", url), {
      fileName: file.replace(/\.mjs$/, ".js"),
      compilerOptions,
    });
    return { code: outputText };
  },

  /** @param {string} source @param {string} file */
  getCacheKey(source, file) {
    const parts = [ts.version, JSON.stringify(compilerOptions), module.exports.process.toString()];
    return createHash("sha256")
      .update([...parts, file, source].join("\0"))
      .digest("hex");
  },
};
