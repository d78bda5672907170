import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";

import { EventLog } from "../../../src/report/event-log.cjs";
import { crc32c, record } from "../../../src/report/event-record.cjs";
import { expectError } from "../support/rejection.cjs";
import { step, temporaryFolder } from "./support.cjs";

const GOLDEN = path.join(__dirname, "..", "..", "fixtures", "report", "events.bin");

describe("an event file", () => {
  it("is the one that TensorBoard's own writer makes, byte for byte", async () => {
    let seconds = 1_700_000_000.25;
    const clock = { now: () => seconds++ };
    const log = await EventLog.open(temporaryFolder(), ["head, no decay"], 300, clock);
    await log.step(step(301, { loss: 0.625, gradNorm: 1.1, learningRates: [1e-3] }));
    await log.evaluation({
      step: 301,
      epoch: 1,
      seconds: 1,
      metrics: { loss: NaN, "f1 größer": 0.5 },
    });
    await log.step(step(2 ** 40 + 1, { loss: 0, gradNorm: Infinity, learningRates: [0] }));
    await log.evaluation({ step: 0, epoch: 0, seconds: 1, metrics: { ["m".repeat(200)]: 1 } });
    await log.close();
    expect(readFileSync(log.file).toString("hex")).toBe(readFileSync(GOLDEN).toString("hex"));
  });

  it("is named by time, host, process and a running number", async () => {
    const folder = temporaryFolder();
    const clock = { now: () => 1_700_000_000.9 };
    const logs = [await EventLog.open(folder, [], null, clock), await EventLog.open(folder, [])];
    for (const log of logs) await log.close();
    const names = readdirSync(folder).sort();
    expect(names).toHaveLength(2);
    const known = `events.out.tfevents.1700000000.${hostname()}.${String(process.pid)}.`;
    expect(names[0]!.startsWith(known)).toBe(true);
    expect(names.every((name) => /^events\.out\.tfevents\.\d{10}\..+\.\d+\.\d+$/.test(name))).toBe(
      true,
    );
  });

  it("keeps the order of calls that do not wait for each other", async () => {
    const clock = { now: () => 1 };
    const alone = await EventLog.open(temporaryFolder(), ["encoder"], null, clock);
    for (let n = 1; n <= 20; n++) await alone.step(step(n));
    await alone.close();
    const together = await EventLog.open(temporaryFolder(), ["encoder"], null, clock);
    await Promise.all(Array.from({ length: 20 }, (_, i) => together.step(step(i + 1))));
    await together.close();
    expect(readFileSync(together.file)).toEqual(readFileSync(alone.file));
  });

  it("has NaN for a learning rate that was not given", async () => {
    const open = () => EventLog.open(temporaryFolder(), ["a", "b"], null, { now: () => 1 });
    const [short, full] = [await open(), await open()];
    await short.step(step(1, { learningRates: [1] }));
    await full.step(step(1, { learningRates: [1, NaN] }));
    await short.close();
    await full.close();
    expect(readFileSync(short.file)).toEqual(readFileSync(full.file));
  });

  it("cannot be in a folder that is not there, nor resume from half a step", async () => {
    const missing = path.join(temporaryFolder(), "none");
    await expectError(EventLog.open(missing, []), "ERR_IO", missing, "ENOENT");
    await expectError(
      EventLog.open(temporaryFolder(), [], 1.5),
      "ERR_INVALID_ARGUMENT",
      "resumedFrom",
    );
  });
});

describe("a record", () => {
  it("has the CRC32C of RFC 3720, appendix B.4", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  it("is length, checksum, data, checksum", () => {
    const bytes = record(Buffer.from("abc"));
    expect(bytes).toHaveLength(8 + 4 + 3 + 4);
    expect(bytes.readBigUInt64LE()).toBe(3n);
    expect(bytes.subarray(12, 15).toString()).toBe("abc");
  });
});
