"use strict";

const { existsSync } = require("node:fs");
const path = require("node:path");

/**
 * Jest's resolver, with TypeScript's own rule on top: a relative `x.cjs` that is not there means `x.cts`.
 *
 * @param {string} request
 * @param {{ basedir: string, defaultResolver: (request: string, options: object) => string }} options
 */
module.exports = (request, options) => {
  if (/^\.{1,2}\/.*\.cjs$/.test(request)) {
    const source = path.resolve(options.basedir, request.replace(/cjs$/, "cts"));
    if (existsSync(source)) return source;
  }
  return options.defaultResolver(request, options);
};
