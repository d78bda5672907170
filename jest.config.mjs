/** @type {import("jest").Config} */
export default {
  roots: ["<rootDir>/test/unit"],
  testMatch: ["**/*.test.cts", "**/*.test.mjs"],
  moduleFileExtensions: ["cts", "mts", "ts", "cjs", "mjs", "js", "json", "node"],
  // `./x.cjs` in a source names what `x.cts` compiles to.
  resolver: "<rootDir>/test/unit/support/resolver.cjs",
  transform: {
    "\\.cts$": ["ts-jest", { tsconfig: "tsconfig.jest.json" }],
    "\\.mjs$": "<rootDir>/test/unit/support/esm-transform.cjs",
  },
  // Long enough for a busy machine: it ends a hang, it measures nothing.
  testTimeout: 60_000,
  collectCoverageFrom: ["src/**/*.cts", "!src/native.cts"],
  coverageDirectory: "coverage/unit",
  coverageReporters: ["text", "lcov", "json-summary"],
  coverageThreshold: { global: { statements: 95, branches: 90, functions: 95, lines: 95 } },
};
