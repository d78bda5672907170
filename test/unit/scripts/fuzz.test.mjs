import { describe, expect, test } from "@jest/globals";

import { readLog } from "../../../scripts/fuzz/libfuzzer.mjs";
import { plant } from "../../../scripts/fuzz/planted.mjs";

const GOOD = `INFO: Loaded 1 modules   (5532 inline 8-bit counters): 5532 [0x1, 0x2),
#27	INITED cov: 1087 ft: 3125 corp: 20/11876b exec/s: 0 rss: 34Mb
#499378	DONE   cov: 1585 ft: 5233 corp: 384/149Kb lim: 2763 exec/s: 8186 rss: 435Mb
Done 499378 runs in 61 second(s)
stat::number_of_executed_units: 499378
stat::average_exec_per_sec:     8186
`;

const finding = (line) => `${line}
    #0 0x1 in bertcnn::json::parse(char const*)
SUMMARY: libFuzzer: deadly signal
artifact_prefix='/f/'; Test unit written to /f/crash-1
stat::number_of_executed_units: 7
`;

describe("the reader of what a fuzzer writes", () => {
  test("takes the last counts", () => {
    expect(readLog(GOOD)).toEqual({
      executions: 499378,
      perSecond: 8186,
      edges: 1585,
      allEdges: 5532,
      corpus: 384,
      finding: null,
    });
  });

  test.each([
    [
      "An invariant is broken: ids are not negative",
      "An invariant is broken: ids are not negative",
    ],
    [
      "/a/b.cc:3:5: runtime error: signed integer overflow",
      "runtime error: signed integer overflow",
    ],
    ["/usr/span:1: f(): Assertion 'i < size()' failed.", "Assertion 'i < size()' failed."],
    [
      "==12==ERROR: AddressSanitizer: heap-buffer-overflow on",
      "AddressSanitizer: heap-buffer-overflow on",
    ],
    ["==12== ERROR: libFuzzer: timeout after 20 seconds", "libFuzzer: timeout after 20 seconds"],
    [
      "terminate called after throwing an instance of 'E'\n  what():  x",
      "terminate called after throwing an instance of 'E' what(): x",
    ],
    [
      "4096 more bytes are 9 in all, where 8 are allowed",
      "4096 more bytes are 9 in all, where 8 are allowed",
    ],
    ["nothing known", "see the log"],
  ])("finds the reason in %j", (line, reason) => {
    const read = readLog(finding(line));
    expect(read.finding).toEqual({ reason, reproducer: "/f/crash-1" });
    expect(read.executions).toBe(7);
  });
});

describe("a planted bug", () => {
  const bug = { what: "w", file: "f.cc", good: "a < b", bad: "a <= b" };

  test("takes the place of the check", () => {
    expect(plant("if (a < b) {", bug)).toBe("if (a <= b) {");
  });

  test.each(["if (a > b) {", "if (a < b || a < b) {"])("is refused in %j", (text) => {
    expect(() => plant(text, bug)).toThrow(/"w" cannot be planted: f\.cc holds `a < b` \d times/);
  });
});
