import { availableParallelism } from "node:os";

import { threads } from "../../src/threads.cjs";
import { expectError } from "./support/rejection.cjs";

const cores = availableParallelism();

describe("threads", () => {
  it.each<[unknown, number, number, boolean]>([
    [3, 1, 3, false],
    [{ workers: 2 }, 2, 1, false],
    [{ workers: 4, perWorker: 2 }, 4, 2, false],
    ["auto", cores, 1, true],
  ])("%j are %i workers with %i threads each", (value, workers, perWorker, adaptive) => {
    expect(threads(value, "threads")).toEqual({ workers, perWorker, adaptive });
  });

  it.each<[unknown, string]>([
    [0, "integer from 1 to 1024 for options.threads"],
    [0.5, "integer from 1 to 1024 for options.threads"],
    ["all", '"auto", number or object with workers'],
    [null, '"auto", number or object with workers'],
    [{}, "number for options.threads.workers"],
    [{ workers: 0 }, "options.threads.workers"],
    [{ workers: 2, perWorker: 2000 }, "options.threads.perWorker"],
    [{ workers: 2, perThread: 1 }, "workers, perWorker"],
    [{ workers: 64, perWorker: 64 }, "64 workers with 64 threads each"],
  ])("refuses %j", async (value, message) => {
    await expectError(() => threads(value, "options.threads"), "ERR_INVALID_ARGUMENT", message);
  });
});
