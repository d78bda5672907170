/**
 * Builds anew what set-up leaves alone when it looks up to date.
 *
 *     node scripts/build.mjs                 the addon; what binding.gyp calls
 *     node scripts/build.mjs --tests         the C++ tests too
 *     node scripts/build.mjs --typescript    the TypeScript alone; what `npm pack` calls
 */
import { parseArgs } from "node:util";

import { buildNativeTests } from "./setup/addon.mjs";
import { installPackages, packagesAreCurrent } from "./setup/packages.mjs";
import { compileTypescript } from "./setup/typescript.mjs";
import { reportingFailure, setUp } from "./setup.mjs";

const { values } = parseArgs({
  options: {
    typescript: { type: "boolean", default: false },
    tests: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

await reportingFailure(async () => {
  const { verbose } = values;
  if (values.typescript) {
    if (!packagesAreCurrent()) await installPackages({ verbose });
    await compileTypescript({ verbose });
    return;
  }
  const libtorch = await setUp({ force: true, verbose });
  if (values.tests) await buildNativeTests(libtorch, { verbose });
});
