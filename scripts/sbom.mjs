// Writes dist/sbom.cdx.json, what is installed with this package (CycloneDX): the npm packages as `npm sbom` tells them,
// and libtorch. Without time and random number, so that packing twice gives the same bytes. `npm pack` calls it.
import { writeFileSync } from "node:fs";
import path from "node:path";

import { must } from "./checks/steps.mjs";
import { PINNED } from "./setup/libtorch.mjs";
import { root } from "./setup/project.mjs";

const told = must("npm", [
  ...["sbom", "--package-lock-only", "--omit", "dev"],
  ...["--sbom-format", "cyclonedx", "--sbom-type", "library"],
]);
const sbom = JSON.parse(told);
delete sbom.serialNumber;
delete sbom.metadata.timestamp;
delete sbom.metadata.tools;
sbom.metadata.component.name = "bertcnn";
for (const component of sbom.components) {
  // Where a package was fetched from is this machine's affair.
  component.externalReferences = [];
}
sbom.components.push({
  "bom-ref": `torch@${PINNED.cpu}`,
  type: "library",
  name: "torch",
  version: PINNED.cpu,
  scope: "required",
  description: "libtorch, which set-up fetches; another supported version may be used",
  purl: `pkg:pypi/torch@${PINNED.cpu}`,
  licenses: [{ license: { id: "BSD-3-Clause" } }],
});
writeFileSync(path.join(root, "dist", "sbom.cdx.json"), `${JSON.stringify(sbom, null, 2)}\n`);
