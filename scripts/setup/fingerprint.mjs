/** Hashes of inputs: what was made from the same inputs need not be made again. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";

import { root } from "./project.mjs";

/**
 * @param {string[]} places files and folders below the package's root; a missing one counts as empty
 * @param {unknown} facts anything else that the result depends on
 */
export function fingerprint(places, facts) {
  const hash = createHash("sha256").update(JSON.stringify(facts));
  for (const place of places) {
    for (const file of filesBelow(path.join(root, place))) {
      hash.update(`\0${path.relative(root, file)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest("hex");
}

function filesBelow(place) {
  const stat = statSync(place, { throwIfNoEntry: false });
  if (!stat) return [];
  if (stat.isFile()) return [place];
  const names = readdirSync(place, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile());
  return files.map((entry) => path.join(entry.parentPath ?? entry.path, entry.name)).sort();
}
