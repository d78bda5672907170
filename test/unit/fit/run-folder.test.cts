import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";

import { RunFolder } from "../../../src/fit/run-folder.cjs";
import { initialState } from "../../../src/fit/trainer-state.cjs";
import { BertCnnError, type BertCnn } from "../../../src/index.cjs";
import { temporaryFolder } from "../support/models.cjs";
import { expectError } from "../support/rejection.cjs";

const identity = { options: {}, data: {} };
const stateAt = (step: number) => ({ ...initialState(), step });

/** A model whose training state is a few bytes, or an error of the disk. */
function model(full = { disk: false }) {
  const saveTrainingState = async (file: string) => {
    if (full.disk) throw new BertCnnError("ERR_IO", `Cannot write ${file}: no space left`);
    await writeFile(file, "weights");
  };
  return { saveTrainingState } as unknown as BertCnn;
}

async function runFolder(): Promise<RunFolder> {
  const folder = new RunFolder(path.join(await temporaryFolder(), "run"));
  await folder.prepare();
  return folder;
}

describe("the folder of a run", () => {
  it("gets checkpoints, each once, in the order of their steps", async () => {
    const folder = await runFolder();
    for (const step of [9, 10, 100, 9]) await folder.save(model(), stateAt(step), identity);
    expect(await folder.checkpoints()).toEqual([9, 10, 100]);
    expect((await readdir(folder.checkpoint(9))).sort()).toEqual([
      "trainer_state.json",
      "training_state.safetensors",
    ]);
  });

  it("keeps what it had where the disk is full, and says what that is", async () => {
    const folder = await runFolder();
    const full = { disk: true };
    const saving = () => folder.save(model(full), stateAt(2), identity);
    await expectError(saving(), "ERR_IO", "checkpoint-2 was not written", "no earlier checkpoint");
    full.disk = false;
    await folder.save(model(full), stateAt(1), identity);
    full.disk = true;
    await expectError(saving(), "ERR_IO", "no space left", folder.checkpoint(1));
    expect(await readdir(folder.folder)).toEqual(["checkpoint-1"]);
  });

  it("removes what a killed process left, and nothing else", async () => {
    const folder = await runFolder();
    const id = "0b7e2f0c-5a0f-4a52-9b0a-6a1f3b1f6f5e";
    for (const name of [`.checkpoint-3.${id}`, "checkpoint-1", ".hidden", "checkpoint-1.txt"]) {
      await mkdir(path.join(folder.folder, name));
    }
    await folder.prepare();
    const left = [".hidden", "checkpoint-1", "checkpoint-1.txt"];
    expect((await readdir(folder.folder)).sort()).toEqual(left);
    expect(await folder.checkpoints()).toEqual([1]);
  });

  it("keeps the newest checkpoints, and the weights that any calls best", async () => {
    const folder = await runFolder();
    const best = (step: number) => ({
      step,
      metric: "loss",
      value: 1,
      file: `best-${String(step)}.safetensors`,
    });
    for (const step of [1, 2, 3, 4]) {
      await writeFile(folder.best(best(step).file), "");
      await folder.save(model(), { ...stateAt(step), best: best(Math.min(step, 3)) }, identity);
    }
    await folder.prune(2, { ...stateAt(4), best: best(4) });
    expect((await readdir(folder.folder)).sort()).toEqual([
      "best-3.safetensors",
      "best-4.safetensors",
      "checkpoint-3",
      "checkpoint-4",
    ]);
  });

  it("says where the system refuses something", async () => {
    const folder = await runFolder();
    await rm(folder.folder, { recursive: true });
    await expectError(folder.checkpoints(), "ERR_IO", folder.folder, "ENOENT");
    await writeFile(folder.folder, "");
    await expectError(folder.prepare(), "ERR_IO", folder.folder);
  });
});
