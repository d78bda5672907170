import { describe, expect, test } from "@jest/globals";

import { chart } from "../../../scripts/bench/peers/chart.mjs";
import {
  drawChart,
  measuredMarkdown,
  replaceMeasured,
} from "../../../scripts/bench/peers/docs.mjs";
import { goalsOf, keptForGoals, outcome } from "../../../scripts/bench/peers/goals.mjs";
import { goalsText, overviewTables, reportText } from "../../../scripts/bench/peers/report.mjs";
import {
  advantage,
  fastest,
  ours,
  peers,
  shareOfProduct,
} from "../../../scripts/bench/peers/results.mjs";
import { asMarkdown, asText } from "../../../scripts/bench/peers/table.mjs";

const entry = (system, precision, mode, times, fields = {}) => ({
  system,
  precision,
  way: "",
  mode,
  warmUp: 9,
  times,
  ...fields,
});

const WORKLOAD = {
  name: "mixed",
  title: "mixed lengths",
  kind: "bulk",
  model: "bert-base",
  texts: 4,
  tokens: 100,
  flops: 1000,
  entries: [
    entry("bertcnn", "float32", "call", [1, 2]),
    entry("bertcnn", "float32", "requests", [1.5]),
    entry("bertcnn", "int8", "call", [0.5, 1]),
    entry("PyTorch prototype", "float32", "arrival", [4, 8]),
    entry("PyTorch prototype", "float32", "sorted", [2, 4.2]),
    entry("CTranslate2", "float32", "each", [1.4, 2.8], { way: "2 x 1" }),
    entry("CTranslate2", "float32", "sorted", [], { way: "1 x 2" }),
    entry("onnxruntime-node", "int8", "each", [0.7, 1.4]),
  ],
};

const described = { Library: "1.0", settings: "2 threads" };
const system = (name, precision) => ({
  model: "bert-base",
  system: name,
  precision,
  way: "",
  described,
  check: { difference: 1e-6, correlation: 1, passed: true },
  memory: { loaded: 500 * 2 ** 20, serving: 700 * 2 ** 20 },
});

const RESULTS = {
  quick: false,
  rounds: 2,
  machine: {
    processor: "A & B <CPU>",
    cores: 2,
    instructions: ["avx2"],
    memory: 8 * 2 ** 30,
    system: "Linux 6.1",
    node: "v20.20.2",
  },
  models: [{ name: "bert-base", title: "BERT-base", weights: 420 * 2 ** 20 }],
  systems: [
    system("bertcnn", "float32"),
    system("bertcnn", "int8"),
    system("CTranslate2", "float32"),
  ],
  workloads: [WORKLOAD],
  products: { "bert-base": { float32: [1100, 520], int8: [2500, 1250] } },
  accuracy: [
    { system: "bertcnn", precision: "int8", texts: 2000, agreement: 0.995, correlation: 0.9999 },
  ],
  shares: [{ others: 0.001, idle: [{ name: "OpenVINO float32", share: 0.05 }] }],
  failed: [],
  leftOut: [{ name: "OpenVINO", reason: "not installed" }],
};

describe("questions to the benchmark's results", () => {
  test("the fastest way is one that lasted to the end", () => {
    const brief = entry("a", "float32", "each", [0.1]);
    const lasting = entry("a", "float32", "sorted", [1, 1]);
    expect(fastest([brief, lasting])).toBe(lasting);
    expect(fastest([entry("a", "float32", "each", [])])).toBeNull();
  });

  test("each peer is there once, in its fastest way, the fastest first", () => {
    expect(ours(WORKLOAD, "float32").mode).toBe("call");
    expect(peers(WORKLOAD, "float32").map(({ system: name, mode }) => [name, mode])).toEqual([
      ["CTranslate2", "each"],
      ["PyTorch prototype", "sorted"],
    ]);
    expect(peers(WORKLOAD, "bfloat16")).toEqual([]);
  });

  test("advantages and shares are taken within rounds", () => {
    const own = ours(WORKLOAD, "float32");
    expect(advantage(WORKLOAD.entries[3], own)).toEqual({ ratio: 4, least: 4, most: 4 });
    expect(shareOfProduct(WORKLOAD, own, [1000, 500])).toBe(1);
    expect(shareOfProduct(WORKLOAD, own, undefined)).toBeNull();
  });
});

describe("the benchmark's goals", () => {
  const goal = (title) => goalsOf(RESULTS).find((each) => each.title.includes(title));

  test("are met, missed, or have nothing to be told by", () => {
    expect(outcome(goal("float32 to the prototype in arrival order"))).toBe("met");
    expect(goal("mixed float32 to the best peer")).toMatchObject({ wanted: 1.35, unit: "x" });
    expect(goal("mixed float32 to the best peer").got).toBeCloseTo(1.4, 12);
    expect(outcome(goal("mixed bfloat16 to OpenVINO"))).toBe("not measured");
    expect(outcome(goal("one-16 float32 to the prototype"))).toBe("not measured");
    expect(goal("memory").got).toBe(280);
    expect(outcome({ got: 1.34, wanted: 1.35, bound: "least" })).toBe("MISSED");
    expect(outcome({ got: 351, wanted: 350, bound: "most" })).toBe("MISSED");
  });

  test("a missed goal is a line with MISSED and is counted", () => {
    const { text, missed } = goalsText([
      { title: "a", got: 1, wanted: 2, bound: "least", unit: "x" },
      { title: "b", got: null, wanted: 2, bound: "least", unit: "%" },
      { title: "c", got: 3, wanted: 2, bound: "least", unit: "MB" },
    ]);
    expect(missed).toBe(1);
    expect(text).toMatch(/^MISSED +a: 1.00x, at least 2.00x$/m);
    expect(text).toMatch(/^not measured b: -, at least 2.0 %$/m);
  });

  test("what they compare with is timed in every round", () => {
    const arrival = { system: "PyTorch prototype", precision: "float32", mode: "arrival" };
    expect(keptForGoals({ ...arrival, workload: "mixed" })).toBe(true);
    expect(keptForGoals({ ...arrival, workload: "one-16" })).toBe(false);
    expect(keptForGoals({ ...arrival, precision: "bfloat16", workload: "mixed" })).toBe(false);
  });
});

describe("the benchmark's tables", () => {
  test("text has columns, Markdown has bars", () => {
    const table = { head: ["", "x"], rows: [["a|b", "1"]] };
    expect(asText(table)).toBe("     x\na|b  1");
    expect(asMarkdown(table)).toBe("|  | x |\n| --- | --: |\n| a\\|b | 1 |");
  });

  test("the overview gives ratios with extremes, and shares of the product", () => {
    const [float32, int8] = overviewTables(RESULTS);
    expect(float32.head).toEqual(["float32", "mixed"]);
    expect(float32.rows).toEqual([
      ["CTranslate2", "1.40x"],
      ["PyTorch prototype", "2.05x (2.00-2.10)"],
      ["share of the fastest product", "94 %"],
    ]);
    expect(int8.rows[0]).toEqual(["onnxruntime-node", "1.40x"]);
  });

  test("the report names who disturbed, who was left out, and what was given up", () => {
    const text = reportText(RESULTS);
    expect(text).toContain("note: OpenVINO float32 took 5.0 % of the processors");
    expect(text).toContain("left out: OpenVINO: not installed");
    expect(text).toMatch(/CTranslate2 +sorted by length, 1 x 2 +~\d/);
  });

  test("results are the same after a way through JSON, whose missing rounds are null", () => {
    const workload = { ...WORKLOAD, entries: [...WORKLOAD.entries] };
    const holes = [];
    holes[1] = 3;
    workload.entries.push(entry("OpenVINO", "float32", "each", holes));
    const results = { ...RESULTS, workloads: [workload] };
    expect(reportText(JSON.parse(JSON.stringify(results)))).toBe(reportText(results));
  });
});

describe("the benchmark's chart", () => {
  test("is well-formed XML whose bars are as long as their values", async () => {
    const svg = drawChart(RESULTS);
    expectWellFormed(svg);
    const bars = [...svg.matchAll(/<rect class="bar( ours)?" [^>]*width="([\d.]+)"/g)];
    const widths = bars.map(([, own, width]) => [own !== undefined, Number(width)]);
    expect(widths).toHaveLength(4 + 2);
    expect(widths[0][0]).toBe(true);
    expect(widths[0][1] / widths[1][1]).toBeCloseTo(1.4, 1);
  });

  test("escapes what XML would misread", () => {
    const bars = [{ label: "<a> & b", note: '"c"', value: 2, ours: false }];
    const svg = chart("t < u", "s", [{ title: "p & q", groups: [{ title: "g", bars }] }]);
    expectWellFormed(svg);
    expect(svg).toContain("&lt;a&gt; &amp; b");
  });

  /** Every tag that is opened is closed, in order, and text holds no bare mark-up. */
  function expectWellFormed(svg) {
    const open = [];
    const rest = svg.replace(/<(\/?)([a-z]+)((?:\s[\w:-]+="[^"<&]*")*)\s*(\/?)>/gi, (...match) => {
      const [, closing, name, , empty] = match;
      if (closing) expect(open.pop()).toBe(name);
      else if (!empty) open.push(name);
      return "";
    });
    expect(open).toEqual([]);
    expect(rest).not.toMatch(/[<>]|&(?!amp;|lt;|gt;|quot;)/);
  }
});

describe("the benchmark's page", () => {
  const markers = [
    "<!-- measured: npm run bench -- --docs -->",
    "<!-- end of what is measured -->",
  ];
  const page = ["# Performance", "", ...markers, "", "more", ""].join("\n");

  test("what is measured comes between the markers, and writing it again changes nothing", () => {
    const content = measuredMarkdown(RESULTS);
    const once = replaceMeasured(page, content);
    expect(once).toContain("1.40x");
    expect(once.startsWith("# Performance\n")).toBe(true);
    expect(once.endsWith("\nmore\n")).toBe(true);
    expect(replaceMeasured(once, content)).toBe(once);
  });

  test("it holds ratios, and no time", () => {
    expect(measuredMarkdown(RESULTS)).not.toMatch(/texts\/s|seconds|\d ms/);
  });

  test("a page without the markers is refused", () => {
    expect(() => replaceMeasured("# Performance\n", "x")).toThrow(/Expected the lines/);
  });
});
