/**
 * `npm test`: set-up, Jest, the C++ tests. Arguments go to Jest, and then Jest alone runs:
 * `npm test -- test/unit/tensor.test.cts`.
 */
import { spawnSync } from "node:child_process";

import { requireFromHere, root } from "./setup/project.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { runNativeTests } from "./test-native.mjs";

await reportingFailure(async () => {
  const libtorch = await setUp();
  const argv = process.argv.slice(2);
  const jest = requireFromHere.resolve("jest/bin/jest.js");
  const unit =
    spawnSync(process.execPath, [jest, ...argv], { cwd: root, stdio: "inherit" }).status === 0;
  const native = argv.length > 0 || (await runNativeTests(libtorch));
  if (!unit || !native) process.exitCode = 1;
});
