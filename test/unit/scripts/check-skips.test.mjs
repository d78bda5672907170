import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";

import { readAllowed, readCTestReport, readJestReport } from "../../../scripts/check-skips.mjs";

const SCRIPT = fileURLToPath(new URL("../../../scripts/check-skips.mjs", import.meta.url));

const CTEST = `<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="x" tests="4">
  <testcase name="A.Passes" classname="A.Passes" time="0.1" status="run"><system-out/></testcase>
  <testcase name="A.Skips&lt;int&gt;" classname="A" time="0.1" status="notrun"><skipped message="m"/></testcase>
  <testcase name="A.Fails" classname="A.Fails" time="0.1" status="fail"><failure message=""/></testcase>
  <testcase name="A.Off" classname="A.Off" time="0" status="disabled"/>
</testsuite>`;

const jestReport = (...suites) => JSON.stringify({ testResults: suites });
const suite = (status, ...tests) => ({ name: "some.test.cts", status, assertionResults: tests });

describe("the reader of test reports", () => {
  test("CTest's skipped and disabled tests are skipped ones", () => {
    expect(readCTestReport(CTEST)).toEqual([
      { name: "A.Passes", status: "passed" },
      { name: "A.Skips<int>", status: "skipped" },
      { name: "A.Fails", status: "failed" },
      { name: "A.Off", status: "skipped" },
    ]);
  });

  test("Jest's pending and todo tests are skipped ones", () => {
    const tests = ["passed", "failed", "pending", "todo"].map((status) => ({
      fullName: `is ${status}`,
      status,
    }));
    expect(
      readJestReport(jestReport(suite("failed", ...tests))).map(({ status }) => status),
    ).toEqual(["passed", "failed", "skipped", "skipped"]);
  });

  test("a Jest suite that could not run is a failed test", () => {
    expect(readJestReport(jestReport(suite("failed")))).toEqual([
      { name: "some.test.cts", status: "failed" },
    ]);
  });

  test("a rule without a reason is refused", () => {
    expect(() => readAllowed(["A.Off"])).toThrow(/NAME => REASON/);
  });
});

describe("the skip check", () => {
  let folder;
  beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), "bertcnn-test-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  const check = (xml, ...args) => {
    const report = path.join(folder, "ctest.xml");
    const counts = path.join(folder, "counts");
    writeFileSync(report, xml);
    const options = ["--ctest", report, "--counts", counts, ...args];
    const { status } = spawnSync(process.execPath, [SCRIPT, ...options]);
    return { status, counts: readFileSync(counts, "utf8") };
  };
  const one = (status) => `<testsuite><testcase name="A.One" status="${status}"/></testsuite>`;

  test("a passed test passes", () => {
    expect(check(one("run"))).toEqual({ status: 0, counts: "1 0\n" });
  });

  test("a skipped test counts as failed", () => {
    expect(check(one("notrun"))).toEqual({ status: 1, counts: "0 1\n" });
  });

  test("a skipped test that is allowed by name, with a reason, is let go", () => {
    const { status, counts } = check(one("notrun"), "--allow", "A.One => needs a card");
    expect({ status, counts }).toEqual({ status: 0, counts: "0 0\n" });
  });

  test("a report without tests is a failure", () => {
    expect(check("<testsuite></testsuite>")).toEqual({ status: 1, counts: "0 1\n" });
  });
});
