/**
 * `npm test`: set-up, Jest, the C++ tests. Arguments go to Jest, and then Jest alone runs:
 * `npm test -- test/unit/tensor.test.cts`. In the folder BERTCNN_TEST_REPORTS, where one is named, the results
 * are left for a program to read: jest.json and ctest.xml.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";

import { requireFromHere, root } from "./setup/project.mjs";
import { reportingFailure, setUp } from "./setup.mjs";
import { runNativeTests } from "./test-native.mjs";

await reportingFailure(async () => {
  const libtorch = await setUp();
  const argv = process.argv.slice(2);
  const reports = process.env.BERTCNN_TEST_REPORTS;
  const reporting = reports ? ["--json", `--outputFile=${path.join(reports, "jest.json")}`] : [];
  const jest = requireFromHere.resolve("jest/bin/jest");
  const unit =
    spawnSync(process.execPath, [jest, ...reporting, ...argv], { cwd: root, stdio: "inherit" })
      .status === 0;
  const native = argv.length > 0 || (await runNativeTests(libtorch));
  if (!unit || !native) process.exitCode = 1;
});
