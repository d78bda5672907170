import { once } from "node:events";
import path from "node:path";
import { Worker } from "node:worker_threads";

import { BertCnn } from "../../../src/index.cjs";
import { expectClose, fixture, load, texts } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const library = path.join(__dirname, "../../../dist/index.cjs");

/** A handle for one test. */
const handles: BertCnn[] = [];
function open(token: string): BertCnn {
  const handle = BertCnn.fromShared(token);
  handles.push(handle);
  return handle;
}

afterEach(async () => {
  await Promise.all(handles.splice(0).map((handle) => handle.dispose()));
});

/** Runs `body` in a worker with `BertCnn` and `token`; what it returns is the worker's message. */
function startWorker(token: string, body: string): Worker {
  const script = `
    const { parentPort, workerData } = require("node:worker_threads");
    const { BertCnn } = require(workerData.library);
    const { token, texts } = workerData;
    (async () => { ${body} })().then(
      (value) => parentPort.postMessage({ value }),
      (error) => parentPort.postMessage({ code: error.code }),
    );
  `;
  return new Worker(script, { eval: true, workerData: { library, token, texts: texts(40) } });
}

async function inWorker(token: string, body: string): Promise<{ value?: unknown; code?: string }> {
  const worker = startWorker(token, body);
  const [message] = (await once(worker, "message")) as [{ value?: unknown; code?: string }];
  await worker.terminate();
  return message;
}

describe("a shared model", () => {
  it("is the same engine with the same facts and numbers", async () => {
    const model = await load("tiny-frozen");
    const other = open(model.share());
    expect(other).toMatchObject({
      labels: model.labels,
      config: model.config,
      maxLength: model.maxLength,
      parameterCount: model.parameterCount,
    });
    const rows = texts(20);
    const [ours, theirs] = await Promise.all([model.predict(rows), other.predict(rows)]);
    expectClose(theirs.logits.data, ours.logits.data);
    expect(model.stats()).toMatchObject({ handles: 2, rows: 40 });
    expect(other.share()).toBe(model.share());
  });

  it("serves several worker threads at once", async () => {
    const model = await load("tiny-frozen", { threads: { workers: 2 } });
    const token = model.share();
    const body = `
      const model = BertCnn.fromShared(token);
      const { logits } = await model.predict(texts);
      const alone = await Promise.all(texts.map((text) => model.predict(text)));
      await model.dispose();
      return [[...logits.data], alone.flatMap(({ logits }) => [...logits.data])];
    `;
    const answers = await Promise.all([1, 2, 3].map(() => inWorker(token, body)));
    const { logits } = await model.predict(texts(40));
    for (const { value } of answers) {
      const [together, alone] = value as [number[], number[]];
      expectClose(together, logits.data);
      expectClose(alone, logits.data);
    }
    expect(model.stats()).toMatchObject({ handles: 1, rows: 7 * 40 });
  });

  it("goes on when the worker that uses it is terminated", async () => {
    const model = await load("tiny-max-over-time");
    const worker = startWorker(
      model.share(),
      `
      const model = BertCnn.fromShared(token);
      const many = Array.from({ length: 500 }, () => texts).flat();
      model.predict(many).catch(() => undefined);
      return "under way";
    `,
    );
    await once(worker, "message");
    expect(model.stats().handles).toBe(2);
    await worker.terminate();
    expect(model.stats()).toMatchObject({ handles: 1, queuedRows: 0 });
    expect((await model.predict("a")).logits.dims).toEqual([1, 3]);
  });

  it("sees the weights that another handle trained", async () => {
    const model = await load("tiny-bert", { seed: 1 });
    const other = open(model.share());
    const before = (await model.predict("a")).logits.data;
    other.configureTraining({ headLearningRate: 0.1 });
    const step = other.trainStep({ texts: ["a"], labels: [0] });
    const after = (await model.predict("a")).logits.data;
    expect((await step).step).toBe(1);
    expect(after).not.toEqual(before);
    expect((await other.predict("a")).logits.data).toEqual(after);
  });

  it("lives as long as its last handle", async () => {
    const model = await load("tiny-frozen");
    const token = model.share();
    const other = open(token);
    await model.dispose();
    expect((await other.predict("a")).logits.dims).toEqual([1, 3]);
    const third = open(token);
    await other.dispose();
    expect((await third.predict("a")).logits.dims).toEqual([1, 3]);
    await third.dispose();
    await expectError(() => BertCnn.fromShared(token), "ERR_INVALID_ARGUMENT", token);
  });
});

describe("disposing one handle", () => {
  it("ends its own calls and no other", async () => {
    const model = await load("tiny-max-over-time");
    const other = open(model.share());
    const theirs = expectError(other.predict(texts(20_000)), "ERR_DISPOSED");
    const ours = model.predict(texts(50));
    await other.dispose();
    await theirs;
    expect((await ours).logits.dims).toEqual([50, 3]);
    await expectError(other.predict("a"), "ERR_DISPOSED");
    expect(model.stats()).toMatchObject({ handles: 1, queuedRows: 0 });
  });

  it("waits for its own training step", async () => {
    const model = await load("tiny-bert", { seed: 1 });
    const other = open(model.share());
    other.configureTraining();
    const step = other.trainStep({ texts: ["a"], labels: [0] });
    const settled = Promise.allSettled([step]);
    await other.dispose();
    const [outcome] = await settled;
    if (outcome.status === "rejected")
      expect(outcome.reason).toMatchObject({ code: "ERR_DISPOSED" });
    expect((await model.predict("a")).logits.dims).toEqual([1, 2]);
  });
});

describe("a token", () => {
  it("that is unknown is refused", async () => {
    await expectError(() => BertCnn.fromShared("bertcnn-0"), "ERR_INVALID_ARGUMENT", "bertcnn-0");
  });

  it("keeps nothing alive: it ends with the model that was not opened", async () => {
    const model = await load("tiny-frozen");
    const token = model.share();
    await model.dispose();
    expect(await inWorker(token, "return BertCnn.fromShared(token).labels;")).toEqual({
      code: "ERR_INVALID_ARGUMENT",
    });
  });

  it("opens a model that a worker loaded, and its end is the end of the model", async () => {
    const worker = startWorker(
      "",
      `
      const model = await BertCnn.fromPretrained(${JSON.stringify(fixture("tiny-frozen"))}, { device: "cpu" });
      globalThis.keep = model;
      setInterval(() => undefined, 1000);
      return model.share();
    `,
    );
    const [{ value: token }] = (await once(worker, "message")) as [{ value: string }];
    const model = open(token);
    await worker.terminate();
    expect((await model.predict("a")).logits.dims).toEqual([1, 3]);
    await model.dispose();
    await expectError(() => BertCnn.fromShared(token), "ERR_INVALID_ARGUMENT");
  });
});
