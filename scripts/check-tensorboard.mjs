/** TensorBoard itself reads the event files: every scalar, and of a resumed run each step once. */
import { createRequire } from "node:module";
import path from "node:path";

import { equal, inTemporaryFolder, must, shows } from "./checks/steps.mjs";
import { root } from "./setup/project.mjs";
import { pythonPackages, TENSORBOARD } from "./setup/python.mjs";
import { compileTypescript } from "./setup/typescript.mjs";

await compileTypescript({ verbose: false });
const require = createRequire(import.meta.url);
const { EventLog } = require(path.join(root, "dist", "report", "event-log.cjs"));

const groups = ["encoder", "head, no decay"];
const env = {
  ...process.env,
  PYTHONPATH: await pythonPackages(TENSORBOARD),
  PYTHONDONTWRITEBYTECODE: "1",
};

/** Binary fractions, which float32 holds as they are. */
const step = (n, loss) => ({ step: n, loss, gradNorm: n / 4, learningRates: [n / 8, n / 16] });

async function write(folder, resumedFrom, records) {
  const log = await EventLog.open(folder, groups, resumedFrom);
  for (const record of records) {
    await ("metrics" in record ? log.evaluation(record) : log.step(record));
  }
  await log.close();
}

function read(folder) {
  return JSON.parse(
    must("python3", [path.join(root, "scripts/checks/read_events.py"), folder], { env }),
  );
}

const same = (actual, expected, what) =>
  equal(JSON.stringify(actual), JSON.stringify(expected), what);

await inTemporaryFolder(async (folder) => {
  await shows("TensorBoard reads each scalar of a run", async () => {
    const metrics = { loss: 0.5, "f1/größer": 0.25 };
    await write(folder, null, [step(1, 4), step(2, 2), { step: 2, metrics }, step(3, 1)]);
    const steps = (values) => values.map((value, i) => [i + 1, value]);
    const expected = {
      "train/loss": steps([4, 2, 1]),
      "train/grad_norm": steps([0.25, 0.5, 0.75]),
      "train/learning_rate/encoder": steps([0.125, 0.25, 0.375]),
      "train/learning_rate/head, no decay": steps([0.0625, 0.125, 0.1875]),
      "eval/loss": [[2, 0.5]],
      "eval/f1/größer": [[2, 0.25]],
    };
    const scalars = read(folder);
    same(Object.keys(scalars).sort(), Object.keys(expected).sort(), "tags");
    for (const [tag, values] of Object.entries(expected)) same(scalars[tag], values, tag);
  });
  await shows("of a resumed run it shows each step once", async () => {
    await write(folder, 2, [step(3, 8), step(4, 16)]);
    const expected = [1, 2, 3, 4].map((n) => [n, [4, 2, 8, 16][n - 1]]);
    same(read(folder)["train/loss"], expected, "train/loss");
  });
});
