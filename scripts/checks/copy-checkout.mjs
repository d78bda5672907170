/** A copy of this checkout, to build or to break something in. */
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";

import { must } from "./steps.mjs";
import { root } from "../setup/project.mjs";

/**
 * Copies what belongs to the repository, with its times, so that what was built of it is not built again.
 *
 * @param {string} folder
 * @param {{ linked?: readonly string[], copied?: readonly string[] }} [more] folders that set-up makes
 */
export function copyCheckout(folder, { linked = [], copied = [] } = {}) {
  mkdirSync(folder, { recursive: true });
  for (const place of ["src", "native", "binding", "test", "scripts"]) {
    rmSync(path.join(folder, place), { recursive: true, force: true }); // with what is no more
  }
  const list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  for (const file of must("git", list).split("\0").filter(Boolean)) {
    const source = path.join(root, file);
    if (existsSync(source)) cpSync(source, path.join(folder, file), { preserveTimestamps: true });
  }
  for (const name of [...linked, ...copied]) {
    rmSync(path.join(folder, name), { recursive: true, force: true });
  }
  for (const name of linked) symlinkSync(path.join(root, name), path.join(folder, name));
  for (const name of copied) {
    const options = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true };
    cpSync(path.join(root, name), path.join(folder, name), options);
  }
}
