/**
 * Builds anew what set-up leaves alone when it looks up to date.
 *
 *     node scripts/build.mjs                 the addon and the TypeScript
 *     node scripts/build.mjs --addon         the addon alone; what binding.gyp calls
 *     node scripts/build.mjs --typescript    the TypeScript alone
 *     node scripts/build.mjs --tests         the C++ tests too
 */
import { parseArgs } from "node:util";

import { buildNativeTests } from "./setup/addon.mjs";
import { installPackages, packagesAreCurrent } from "./setup/packages.mjs";
import { isCheckout } from "./setup/project.mjs";
import { compileTypescript } from "./setup/typescript.mjs";
import { reportingFailure, setUp } from "./setup.mjs";

const { values } = parseArgs({
  options: {
    addon: { type: "boolean", default: false },
    typescript: { type: "boolean", default: false },
    tests: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
  },
});

await reportingFailure(async () => {
  const { verbose } = values;
  if (isCheckout && !packagesAreCurrent()) await installPackages({ verbose });
  if (!values.typescript) {
    const libtorch = await setUp({ force: true, verbose });
    if (values.tests) await buildNativeTests(libtorch, { verbose });
  }
  if (isCheckout && !values.addon) await compileTypescript({ verbose });
});
