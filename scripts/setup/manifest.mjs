/** manifest.json of a cached libtorch: the wheels that it came from, and the size of each of its files. */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";

const NAME = "manifest.json";

/** @param {string[]} wheels */
export async function describeWheels(wheels) {
  const described = [];
  for (const wheel of wheels) {
    described.push({
      name: path.basename(wheel),
      bytes: statSync(wheel).size,
      sha256: await sha256(wheel),
    });
  }
  return described;
}

/** Writes the manifest of a folder that is complete but for it. */
export function writeManifest(folder, facts) {
  const text = JSON.stringify({ ...facts, files: sizesIn(folder) }, null, 2);
  writeFileSync(path.join(folder, NAME), `${text}\n`);
}

/**
 * Whether each file has the size that the manifest gives. An entry whose manifest gives none counts as damaged:
 * nothing else shows what a full disk or a power cut has cut short.
 */
export function isWhole(folder) {
  try {
    const { files } = JSON.parse(readFileSync(path.join(folder, NAME), "utf8"));
    return Object.entries(files).every(
      ([name, bytes]) => statSync(path.join(folder, name)).size === bytes,
    );
  } catch {
    return false;
  }
}

function sizesIn(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
  return Object.fromEntries(
    files.sort().map((file) => [path.relative(folder, file), statSync(file).size]),
  );
}

async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
