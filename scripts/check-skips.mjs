// Counts the tests of Jest's and CTest's reports. A skipped test counts as failed unless it is allowed by
// name, with the reason; a report that is missing or holds no test is a failure too.
//
//   node scripts/check-skips.mjs [--jest JSON] [--ctest XML] [--allow "NAME => REASON"]... [--counts FILE]
//
// The last line is "N passed, M failed"; --counts writes "N M" for a shell script to add up.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { isProgram } from "./setup/project.mjs";

/**
 * @typedef {object} TestResult
 * @property {string} name
 * @property {"passed" | "failed" | "skipped"} status
 */

/**
 * The tests in the text that `jest --json` writes. A suite that failed to run is one failed test.
 * @param {string} text
 * @returns {TestResult[]}
 */
export function readJestReport(text) {
  return JSON.parse(text).testResults.flatMap((suite) => {
    const tests = suite.assertionResults.map(({ fullName, status }) => ({
      name: fullName,
      status: status === "passed" || status === "failed" ? status : "skipped", // pending, todo, disabled
    }));
    const brokenSuite =
      suite.status === "failed" && !tests.some(({ status }) => status === "failed");
    return brokenSuite ? [...tests, { name: suite.name, status: "failed" }] : tests;
  });
}

/**
 * The tests in the text that `ctest --output-junit` writes. CTest calls a skipped or disabled test "notrun"
 * or "disabled".
 * @param {string} text
 * @returns {TestResult[]}
 */
export function readCTestReport(text) {
  return [...text.matchAll(/<testcase\b([^>]*)>/g)].map(([, attributes]) => {
    const attribute = (/** @type {string} */ name) =>
      decodeXml(new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    const status = attribute("status");
    return {
      name: attribute("name"),
      status: status === "run" ? "passed" : status === "fail" ? "failed" : "skipped",
    };
  });
}

/**
 * Splits "NAME => REASON" rules. Throws an Error for a rule without a reason.
 * @param {readonly string[]} rules
 * @returns {Map<string, string>}
 */
export function readAllowed(rules) {
  return new Map(
    rules.map((rule) => {
      const [name, reason, ...rest] = rule.split(" => ");
      if (!name || !reason || rest.length > 0) {
        throw new Error(`Expected 'NAME => REASON' for --allow but received '${rule}'`);
      }
      return [name, reason];
    }),
  );
}

/** @param {string} text */
function decodeXml(text) {
  const entities = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => entities[name]);
}

function main() {
  const { values } = parseArgs({
    options: {
      jest: { type: "string" },
      ctest: { type: "string" },
      allow: { type: "string", multiple: true, default: [] },
      counts: { type: "string" },
    },
  });
  const allowed = readAllowed(values.allow);
  /** @type {TestResult[]} */
  const tests = [];
  if (values.jest !== undefined) tests.push(...readReport(values.jest, readJestReport));
  if (values.ctest !== undefined) tests.push(...readReport(values.ctest, readCTestReport));

  let [passed, failed] = [0, 0];
  for (const { name, status } of tests) {
    if (status === "passed") ++passed;
    else if (status === "skipped" && allowed.has(name))
      console.log(`skipped, allowed: ${name} (${allowed.get(name)})`);
    else {
      ++failed;
      console.log(`${status}: ${name}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  if (values.counts !== undefined) writeFileSync(values.counts, `${passed} ${failed}\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/**
 * @param {string} file
 * @param {(text: string) => TestResult[]} read
 * @returns {TestResult[]}
 */
function readReport(file, read) {
  try {
    const tests = read(readFileSync(file, "utf8"));
    return tests.length > 0 ? tests : [{ name: `${file} holds no test`, status: "failed" }];
  } catch (error) {
    return [{ name: `${file} cannot be read: ${error.message}`, status: "failed" }];
  }
}

if (isProgram(import.meta.url)) main();
