import { Worker } from "node:worker_threads";
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

import { BertCnn, type BertCnnOptions, type Threads } from "../../../src/index.cjs";
import { expectClose, fixture, load, texts } from "../support/models.cjs";
import { expectError, reasonOf } from "../support/rejection.cjs";

const root = path.join(__dirname, "../../..");
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("concurrent calls", () => {
  it("each get their own rows", async () => {
    const model = await load("tiny-frozen");
    const rows = texts(60);
    const together = await model.predict(rows);
    const alone = await Promise.all(rows.map((text) => model.predict(text)));
    for (const [i, { logits }] of alone.entries()) {
      expectClose(logits.data, together.logits.data.slice(3 * i, 3 * i + 3));
    }
  });

  it.each<Threads>([{ workers: 3 }, { workers: 2, perWorker: 2 }, "auto"])(
    "get the same numbers with threads %j",
    async (threads) => {
      const [one, several] = await Promise.all([
        load("tiny-frozen"),
        load("tiny-frozen", { threads, maxBatchTokens: 64 }),
      ]);
      const rows = texts(60);
      const [expected, together, alone] = await Promise.all([
        one.predict(rows),
        several.predict(rows),
        Promise.all(rows.map((text) => several.predict(text))),
      ]);
      expectClose(together.logits.data, expected.logits.data);
      expectClose(
        alone.flatMap(({ logits }) => [...logits.data]),
        expected.logits.data,
      );
    },
  );

  it("of several models do not disturb each other", async () => {
    const models = await Promise.all([
      load("tiny-frozen"),
      load("tiny-fine-tune"),
      load("tiny-frozen"),
    ]);
    const [a, b, c] = await Promise.all(models.map((model) => model.predict(texts(50))));
    expect(c!.logits.data).toEqual(a!.logits.data);
    expect(b!.logits.data).not.toEqual(a!.logits.data);
  });

  it("leave the event loop free", async () => {
    const model = await load("tiny-max-over-time");
    const work = model.predict(texts(2000));
    let turns = 0;
    let next = setImmediate(function count() {
      turns++;
      next = setImmediate(count);
    });
    const { logits } = await work.finally(() => {
      clearImmediate(next);
    });
    expect(turns).toBeGreaterThan(20);
    expect(logits.dims).toEqual([2000, 3]);
  });
});

describe("a call", () => {
  it("is dropped while it waits, and no other is", async () => {
    const model = await load("tiny-frozen");
    const controller = new AbortController();
    const first = model.predict(texts(500));
    const dropped = model.predict(texts(500), { signal: controller.signal });
    const last = model.predict("a");
    controller.abort("enough");
    expect(await reasonOf(dropped)).toBe("enough");
    expect((await first).logits.dims).toEqual([500, 3]);
    expect((await last).logits.dims).toEqual([1, 3]);
    expect(model.stats()).toMatchObject({ cancelled: 1, queuedRows: 0 });
  });

  it("is dropped while it is computed, and the model goes on", async () => {
    const model = await load("tiny-max-over-time");
    const controller = new AbortController();
    const work = model.predict(texts(20_000), { signal: controller.signal });
    while (model.stats().batches === 0) await turn();
    controller.abort("enough");
    expect(await reasonOf(work)).toBe("enough");
    expect((await model.predict("a")).logits.dims).toEqual([1, 3]);
    expect(model.stats().rows).toBeLessThan(20_000);
  });

  it("ends with its timeout, and the model goes on", async () => {
    const model = await load("tiny-max-over-time");
    await expectError(model.predict(texts(20_000), { timeout: 1 }), "ERR_TIMEOUT");
    expect(model.stats()).toMatchObject({ timedOut: 1, cancelled: 0 });
    expect((await model.predict("a")).logits.dims).toEqual([1, 3]);
  });

  it("is refused at once when too many rows wait", async () => {
    const model = await load("tiny-frozen", { maxQueueRows: 10 });
    await expectError(model.predict(texts(11)), "ERR_QUEUE_FULL", "10");
    expect(model.stats().refused).toBe(1);
    expect((await model.predict(texts(10))).logits.dims).toEqual([10, 3]);
  });

  it("is counted", async () => {
    const model = await load("tiny-frozen");
    await model.predict(texts(30));
    const stats = model.stats();
    expect(stats).toMatchObject({ rows: 30, queuedRows: 0, steps: 0, cancelled: 0, refused: 0 });
    expect(stats.batches).toBeGreaterThanOrEqual(1);
    expect(stats.tokens).toBeGreaterThan(60);
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    expect(sum(stats.batchRows)).toBe(stats.batches);
    expect(sum(stats.batchTokens)).toBe(stats.batches);
    for (const seconds of [stats.tokenizerSeconds, stats.queueSeconds, stats.computeSeconds]) {
      expect(seconds).toBeGreaterThan(0);
    }
  });
});

describe("warming up", () => {
  it.each<BertCnnOptions>([{ threads: { workers: 2 } }, { padding: "include" }, { maxLength: 5 }])(
    "works with %j, and is not counted",
    async (options) => {
      const model = await load("tiny-frozen", options);
      await model.warmup();
      expect(model.stats()).toMatchObject({ rows: 0, batches: 0 });
    },
  );
});

describe("a batch that waits for more", () => {
  it("takes what comes meanwhile, and goes when no more can come", async () => {
    const model = await load("tiny-frozen", { maxQueueDelay: 1e6, maxQueueRows: 3 });
    const calls = ["a", "b", "c"].map((text) => model.predict(text));
    await Promise.all(calls);
    expect(model.stats().batches).toBe(1);
  });
});

describe("loading", () => {
  it("ends with its signal", async () => {
    const controller = new AbortController();
    const loading = BertCnn.fromPretrained(fixture("tiny-bert"), { signal: controller.signal });
    controller.abort("enough");
    expect(await reasonOf(loading)).toBe("enough");
  });
});

describe("dispose", () => {
  it("rejects what waits and what comes later", async () => {
    const model = await load("tiny-max-over-time");
    const outcomes = [model.predict(texts(20_000)), model.predict("a")].map((work) =>
      expectError(work, "ERR_DISPOSED"),
    );
    await model.dispose();
    await Promise.all(outcomes);
    await expectError(model.predict("a"), "ERR_DISPOSED");
    await model.dispose();
  });

  it("settles every promise, whatever waits", async () => {
    const model = await load("tiny-bert", { seed: 1 });
    model.configureTraining();
    const works = [
      model.predict(texts(2000)),
      model.trainStep({ texts: ["a"], labels: [0] }),
      model.predict("a"),
      model.loadStateDict(fixture("frozen.pt")),
    ];
    const settled = Promise.allSettled(works);
    await model.dispose();
    for (const outcome of await settled) {
      if (outcome.status === "rejected")
        expect(outcome.reason).toMatchObject({ code: "ERR_DISPOSED" });
    }
    expect((await settled).map(({ status }) => status)).toContain("rejected");
  });
});

describe("the package", () => {
  it("is one implementation under ESM and CommonJS", async () => {
    const script = `
      import { createRequire } from "node:module";
      import * as esm from "bertcnn";
      const cjs = createRequire(import.meta.url)("bertcnn");
      const names = Object.keys(cjs).filter((name) => name !== "__esModule").sort();
      const same = names.every((name) => cjs[name] === esm[name]);
      const model = await esm.BertCnn.fromPretrained(process.argv[1], { device: "cpu" });
      const { logits } = await model.predict("a");
      console.log(JSON.stringify({ names, same, tensor: logits instanceof cjs.Tensor }));
      await model.dispose();
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--eval", script, fixture("tiny-frozen")],
      { cwd: root },
    );
    expect(JSON.parse(stdout)).toEqual({
      names: [
        "BertCnn",
        "BertCnnError",
        "Dataset",
        "Tensor",
        "Tokenizer",
        "computeMetrics",
        "computeReliability",
        "explanationPage",
        "fitCalibration",
        "fitTemperature",
        "fitThresholds",
        "flattenMetrics",
        "formatExplanation",
        "readMetricsLog",
        "summarizeExplanations",
        "writeReport",
      ],
      same: true,
      tensor: true,
    });
  });

  it("works in several worker threads at once", async () => {
    const script = `
      const { parentPort, workerData } = require("node:worker_threads");
      const { BertCnn } = require(workerData.library);
      (async () => {
        const model = await BertCnn.fromPretrained(workerData.directory, { device: "cpu" });
        const { logits } = await model.predict(workerData.texts);
        await model.dispose();
        parentPort.postMessage([...logits.data]);
      })();
    `;
    const workerData = {
      library: path.join(root, "dist/index.cjs"),
      directory: fixture("tiny-frozen"),
      texts: texts(20),
    };
    const run = () =>
      new Promise<number[]>((resolve, reject) => {
        new Worker(script, { eval: true, workerData })
          .once("message", resolve)
          .once("error", reject);
      });
    const results = await Promise.all([run(), run(), run()]);
    const model = await load("tiny-frozen");
    const { logits } = await model.predict(texts(20));
    for (const result of results) expectClose(result, logits.data);
  });
});
