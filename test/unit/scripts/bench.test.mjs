import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { describe, expect, test } from "@jest/globals";

import { agreementOf, compareLogits } from "../../../scripts/bench/peers/checks.mjs";
import { PeerError, PeerProcess, ReplyReader } from "../../../scripts/bench/peers/client.mjs";
import { contenders, formsFor, PEERS } from "../../../scripts/bench/peers/contenders.mjs";
import {
  flopsOfHead,
  flopsOfText,
  flopsOfTexts,
  linearShapes,
  productRate,
} from "../../../scripts/bench/peers/flops.mjs";
import { readOptions } from "../../../scripts/bench/peers/options.mjs";
import { batchesOf, feed, padded, rowsOf } from "../../../scripts/bench/peers/peer.mjs";
import { takeTurns } from "../../../scripts/bench/peers/rounds.mjs";
import { median, pairedRatio, survivors } from "../../../scripts/bench/peers/statistics.mjs";
import { basePlans, mixedLengths, randomTexts } from "../../../scripts/bench/peers/workloads.mjs";

const BASE = {
  layers: 12,
  hidden: 768,
  intermediate: 3072,
  filterSizes: [3, 4, 5],
  filters: 100,
  labels: 2,
};

describe("the benchmark's operations", () => {
  test("BERT-base's linear layers take two for each of their 85 million weights and each token", () => {
    const weights = 12 * (4 * 768 * 768 + 2 * 768 * 3072);
    const attention = 12 * 4 * 16 * 16 * 768;
    expect(flopsOfText(BASE, 16) - flopsOfHead(BASE, 16)).toBe(2 * 16 * weights + attention);
  });

  test("attention grows with the square of the length", () => {
    const beyondLinear = (length) => flopsOfText(BASE, length) - length * flopsOfText(BASE, 1);
    const attention = (length) => 12 * 4 * 768 * (length * length - length);
    const head = (length) => flopsOfHead(BASE, length) - length * flopsOfHead(BASE, 1);
    expect(beyondLinear(100)).toBe(attention(100) + head(100));
  });

  test("the head takes a product for each window of each kernel", () => {
    const windows = 14 * 3 + 13 * 4 + 12 * 5;
    expect(flopsOfHead(BASE, 16)).toBe(2 * windows * 768 * 100 + 2 * 300 * 2);
  });

  test("a text shorter than a kernel has one window of it", () => {
    expect(flopsOfHead(BASE, 2)).toBe(2 * (3 + 4 + 5) * 768 * 100 + 2 * 300 * 2);
  });

  test("texts add up, and no padding counts", () => {
    expect(flopsOfTexts(BASE, [5, 50])).toBe(flopsOfText(BASE, 5) + flopsOfText(BASE, 50));
  });

  test("the product's rate takes the fastest way of each shape, weighed by its operations", () => {
    const shapes = [
      [1, 3],
      [1, 1],
    ];
    // 3 units of work at 6 a second and 1 unit at 1 a second take 1.5 seconds.
    const rates = [
      { a: 6, b: 2 },
      { a: 0.5, b: 1 },
    ];
    expect(productRate(shapes, rates)).toBeCloseTo(4 / 1.5, 12);
    expect(linearShapes(BASE)).toEqual([
      [768, 2304],
      [768, 768],
      [768, 3072],
      [3072, 768],
    ]);
  });
});

describe("the benchmark's statistics", () => {
  test("the median of an even number is the mean of the two in the middle", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([3, 1, 2])).toBe(2);
  });

  test("ratios are of the same round, so that a slow spell of the machine cancels", () => {
    expect(pairedRatio([2, 20, 4], [1, 10, 2])).toEqual({ ratio: 2, least: 2, most: 2 });
  });

  test("rounds that one of the two lacks do not count; without any there is no ratio", () => {
    expect(pairedRatio([3, undefined, 8], [1, 1, 2])).toEqual({ ratio: 3.5, least: 3, most: 4 });
    expect(pairedRatio([3], [])).toBeNull();
  });

  test("ways beyond the limit are given up, but for those to be kept", () => {
    const ways = [
      { name: "fast", times: [1, 1] },
      { name: "near", times: [1.1, 1.1] },
      { name: "disturbed once", times: [1, 5] },
      { name: "slow", times: [3, 3] },
      { name: "goal", times: [4, 4], keep: true },
    ];
    expect(survivors(ways, 1.15).map(({ name }) => name)).toEqual([
      "fast",
      "near",
      "disturbed once",
      "goal",
    ]);
  });
});

describe("the benchmark's turns", () => {
  const entry = (system, mode, seconds, fields = {}) => {
    const shared = { precision: "float32", way: "", workload: "mixed", active: true, keep: false };
    return { ...shared, system, mode, seconds, times: [], warmUp: null, ...fields };
  };
  const turns = async (entries, rounds) => {
    const order = [];
    let seed = 0;
    await takeTurns({
      entries,
      rounds,
      random: () => (seed = (seed + 0.37) % 1),
      time: async (each) => {
        order.push(`${each.system} ${each.mode}`);
        if (each.seconds === null) throw new Error("out of memory");
        return each.seconds;
      },
      product: async (round) => order.push(`product ${round}`),
      thinned: async () => {},
      log: () => {},
    });
    return order;
  };

  test("every round times every way once and the products once; the first only warms up", async () => {
    const entries = [entry("a", "sorted", 1), entry("b", "sorted", 2)];
    const order = await turns(entries, 2);
    expect(order.filter((name) => name === "a sorted")).toHaveLength(3);
    expect(order.filter((name) => name.startsWith("product"))).toEqual(["product 1", "product 2"]);
    expect(entries.map(({ times }) => times)).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  test("a system's slower ways are given up, another system's are its own matter", async () => {
    const entries = [
      entry("a", "sorted", 1),
      entry("a", "arrival", 1.4),
      entry("a", "each", 3),
      entry("b", "arrival", 5),
    ];
    await turns(entries, 3);
    expect(entries.map(({ times }) => times.length)).toEqual([3, 1, 0, 3]);
  });

  test("a way that fails is given up and the others go on", async () => {
    const entries = [entry("a", "sorted", null), entry("b", "sorted", 2)];
    await turns(entries, 2);
    expect(entries[0]).toMatchObject({ active: false, failed: "out of memory", times: [] });
    expect(entries[1].times).toEqual([2, 2]);
  });
});

describe("the benchmark's protocol", () => {
  test("replies are whole lines of JSON, wherever chunks end; what libraries print is passed over", () => {
    const reader = new ReplyReader();
    expect(reader.read('loading...\n{"seco')).toEqual([]);
    expect(reader.read('nds": 1}\n{"logits": []}\n{not json}\n')).toEqual([
      { seconds: 1 },
      { logits: [] },
    ]);
  });

  const program = (body) => ["-e", `process.stdin.on("data", (line) => { ${body} })`];
  const start = (body) => new PeerProcess(process.execPath, program(body), process.env);

  test("a contender is asked and answers, and ends when its input does", async () => {
    const peer = start("console.log(JSON.stringify({ seconds: JSON.parse(line).mode.length }))");
    expect(await peer.ask({ do: "time", mode: "sorted" })).toEqual({ seconds: 6 });
    await peer.end();
    await expect(peer.ask({ do: "time" })).rejects.toThrow(/ended with exit code 0/);
  });

  test("its error comes with its code", async () => {
    const peer = start('console.log(JSON.stringify({ error: "no bfloat16", code: "ERR_X" }))');
    const failure = await peer.ask({}).catch((error) => error);
    expect(failure).toBeInstanceOf(PeerError);
    expect(failure).toMatchObject({ message: "no bfloat16", code: "ERR_X" });
    await peer.end();
  });

  test("a contender that dies fails its request with its last words", async () => {
    const peer = start('console.error("boom"); process.exit(3)');
    await expect(peer.ask({})).rejects.toThrow(/exit code 3: boom/);
  });
});

describe("a contender's batches", () => {
  test("by arrival, by length with the longest first, and one by one", () => {
    const lengths = [5, 9, 7];
    expect(batchesOf(lengths, "arrival", 2)).toEqual([[0, 1], [2]]);
    expect(batchesOf(lengths, "sorted", 2)).toEqual([[1, 2], [0]]);
    expect(batchesOf(lengths, "each", 2)).toEqual([[0], [1], [2]]);
  });

  test("padding is masked, and reaches the largest kernel", () => {
    const { dims, ids, mask } = padded([[7], [8, 9]], 5);
    expect(dims).toEqual([2, 5]);
    expect([...ids].map(Number)).toEqual([7, 0, 0, 0, 0, 8, 9, 0, 0, 0]);
    expect([...mask].map(Number)).toEqual([1, 0, 0, 0, 0, 1, 1, 0, 0, 0]);
  });

  test("outputs come in the texts' order, however they were batched", async () => {
    const contender = {
      prepare: (rows) => rows,
      run: async (rows) => rows.map((row) => [row.length]),
      parallel: 2,
    };
    const texts = [[1], [1, 2, 3], [1, 2]];
    for (const mode of ["arrival", "sorted", "each", "alone"]) {
      const { logits, seconds } = await feed(contender, { texts, batch: 2 }, mode);
      expect(logits).toEqual([[1], [3], [2]]);
      expect(seconds).toBeGreaterThanOrEqual(0);
    }
  });

  test("logits are split into rows", () => {
    expect(rowsOf(Float32Array.of(1, 2, 3, 4), 2)).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });
});

describe("the benchmark's comparison with PyTorch", () => {
  const reference = [
    [1, -2],
    [0, 3],
  ];
  const shifted = (by) => reference.map((row) => row.map((logit) => logit + by));

  test("float32 is held to a difference, the others to a correlation", () => {
    expect(compareLogits("float32", shifted(5e-5), reference).passed).toBe(true);
    expect(compareLogits("float32", shifted(5e-4), reference).passed).toBe(false);
    expect(compareLogits("int8", shifted(0.1), reference).passed).toBe(true);
    expect(compareLogits("bfloat16", [...reference].reverse(), reference).passed).toBe(false);
  });

  test("NaN and missing rows never pass", () => {
    expect(compareLogits("float32", [[NaN, -2], reference[1]], reference).passed).toBe(false);
    expect(compareLogits("float32", [[1, NaN], reference[1]], reference).passed).toBe(false);
    expect(compareLogits("int8", [[1, -2]], reference).passed).toBe(false);
    expect(compareLogits("int8", [[NaN, -2], reference[1]], reference).passed).toBe(false);
  });

  test("labels agree by the largest logit, of single outputs by the sign", () => {
    const two = agreementOf(
      [
        [2, 1],
        [1, 2],
      ],
      [
        [5, 1],
        [3, 2],
      ],
    );
    expect(two).toMatchObject({ texts: 2, agreement: 0.5 });
    expect(agreementOf([[0.1], [-3]], [[2], [-1]]).agreement).toBe(1);
  });
});

describe("the benchmark's workloads", () => {
  test("mixed lengths repeat themselves, are cut, and have a mean of 32 to 39", () => {
    const lengths = mixedLengths(2000);
    expect(mixedLengths(10)).toEqual(lengths.slice(0, 10));
    expect(Math.min(...lengths)).toBeGreaterThanOrEqual(5);
    expect(Math.max(...lengths)).toBe(256);
    for (const some of [lengths, mixedLengths(128)]) {
      const mean = some.reduce((sum, length) => sum + length, 0) / some.length;
      expect(mean).toBeGreaterThanOrEqual(32);
      expect(mean).toBeLessThanOrEqual(39);
    }
  });

  test("ids are words of the vocabulary", () => {
    const texts = randomTexts([3, 50], 30522);
    expect(texts.map((text) => text.length)).toEqual([3, 50]);
    expect(Math.min(...texts.flat())).toBeGreaterThanOrEqual(1000);
    expect(Math.max(...texts.flat())).toBeLessThan(30522);
  });

  test("a quick run has fewer texts of each", () => {
    for (const [name, { lengths }] of Object.entries(basePlans(true))) {
      expect(lengths.length).toBeLessThan(basePlans(false)[name].lengths.length);
    }
  });
});

describe("the benchmark's contenders", () => {
  const given = (fields) => ({
    cores: 2,
    threads: undefined,
    packages: "packages",
    converted: { onnx: "onnx", ctranslate2: "ctranslate2" },
    texts: true,
    ...fields,
  });

  test("each way of each system has a name of its own", () => {
    const all = contenders(given({ peers: Object.keys(PEERS) }));
    const names = all.map(({ system, precision, way }) => `${system} ${precision} ${way}`);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(all.map(({ system }) => system)).size).toBe(7);
  });

  test("on one processor there is no second way of dividing it", () => {
    expect(contenders(given({ peers: ["ctranslate2"], cores: 1 }))).toHaveLength(3 + 2);
  });

  test("only what is loaded is made", () => {
    expect(formsFor(["prototype"])).toEqual([]);
    expect(formsFor(["prototype", "openvino", "ctranslate2"])).toEqual(["onnx", "ctranslate2"]);
  });
});

describe("the benchmark's command line", () => {
  test("defaults: what is installed, all workloads, five rounds, one of them where it is to be quick", () => {
    expect(readOptions([])).toMatchObject({ peers: null, rounds: 5, quick: false });
    expect(readOptions(["--quick"])).toMatchObject({ rounds: 1, quick: true });
    expect(readOptions([]).workloads).toEqual([...Object.keys(basePlans(false)), "sentences"]);
  });

  test("threads are a number, auto, or workers with threads each", () => {
    expect(readOptions(["--threads", "3"]).threads).toBe(3);
    expect(readOptions(["--threads", "auto"]).threads).toBe("auto");
    expect(readOptions(["--threads", "2x1"]).threads).toEqual({ workers: 2, perWorker: 1 });
  });

  test.each([
    ["--rounds", "0"],
    ["--threads", "many"],
    ["--peers", "tensorflow"],
    ["--workloads", "mixed,long"],
    ["--precisions", "float16"],
  ])("%s %s is refused by name", (name, value) => {
    expect(() => readOptions([name, value])).toThrow(new RegExp(`for ${name} but received`));
  });

  test("files are meant from where npm was called", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "bertcnn-test-"));
    try {
      const file = path.join(folder, "results.json");
      expect(readOptions(["--json", file]).json).toBe(file);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
