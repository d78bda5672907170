import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import {
  compareIdentity,
  initialState,
  readTrainerState,
  writeTrainerState,
  type RunIdentity,
} from "../../../src/fit/trainer-state.cjs";
import { temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const identity = { options: { epochs: 3, seed: 0 }, data: { train: "abc" } };

async function written(): Promise<string> {
  const file = path.join(await temporaryFolder(), "trainer_state.json");
  const best = { step: 4, metric: "loss", value: 0.5, file: "best-4.safetensors" };
  await writeTrainerState(file, { ...initialState(), step: 7, best }, identity);
  return file;
}

describe("the state of a run", () => {
  it("is read as it was written", async () => {
    const { state, identity: read } = await readTrainerState(await written());
    expect(state.step).toBe(7);
    expect(state.best!.file).toBe("best-4.safetensors");
    expect(read).toEqual(identity);
  });

  it.each([
    ['"version": 1', '"version": 2', "version"],
    ['"step": 7', '"step": "7"', "field"],
    ['"step": 7', '"step": -7', "field"],
    ['"skipped": 0', '"skip": 0', "field"],
    ['"stoppedEarly": false', '"stoppedEarly": 0', "field"],
    ['"best-4.safetensors"', '"../best-4.safetensors"', "field"],
    ['"metric": "loss"', '"metric": 1', "field"],
    ['"options": {', '"option": {', "field"],
    ['"data": {', '"date": {', "field"],
    ["{", "", "no JSON"],
  ])("with %j for %j is refused", async (from, to, part) => {
    const file = await written();
    const text = await readFile(file, "utf8");
    expect(text).toContain(from);
    await writeFile(file, text.replace(from, to));
    await expectError(readTrainerState(file), "ERR_CHECKPOINT_FORMAT", file, part);
  });

  it("that is null or missing is refused", async () => {
    const file = await written();
    await writeFile(file, "null");
    await expectError(readTrainerState(file), "ERR_CHECKPOINT_FORMAT", file);
    await expectError(readTrainerState(`${file}.no`), "ERR_IO", `${file}.no`, "ENOENT");
  });
});

describe("the identity of a run", () => {
  it("is the same whatever the order of its parts", () => {
    compareIdentity(identity, { ...identity, options: { seed: 0, epochs: 3 } }, "here");
  });

  it.each<[RunIdentity, ...string[]]>([
    [{ ...identity, options: { epochs: 4, seed: 0 } }, "options.epochs", "3", "4"],
    [{ ...identity, options: { epochs: 3 } }, "options.seed", "0", "absent"],
    [{ ...identity, options: { ...identity.options, epsilon: 1 } }, "options.epsilon", "absent"],
    [{ ...identity, data: { train: "abd" } }, "data.train", "abc", "abd"],
  ])("that differs is refused by name", (own, ...parts) =>
    expectError(
      () => {
        compareIdentity(identity, own, "here");
      },
      "ERR_CHECKPOINT_MISMATCH",
      "here",
      ...parts,
    ),
  );
});
