/** The sets of texts that are trained on, each divided anew for each seed and written for both sides to read. */
import { createWriteStream, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";

import { ratings } from "../assets.mjs";
import { mails } from "../setup/npm-package.mjs";

/** Characters of a mail that are kept: about a thousand tokens. */
const MAIL_LIMIT = 4000;

/**
 * @typedef {object} TextSet
 * @property {string} name
 * @property {string} title
 * @property {"regression" | "single_label_classification"} problemType
 * @property {string[]} labels
 * @property {number} maxLength tokens of a text
 * @property {(Dataset: any) => Promise<any>} read
 */

/** @returns {TextSet} sentences with the mean of 20 human ratings each, from -4 to 4 */
function rated(name, title, file) {
  const options = { format: "tsv", header: false, labelColumn: 1, textColumn: 2 };
  return {
    name,
    title,
    problemType: "regression",
    labels: ["rating"],
    maxLength: 128,
    read: async (Dataset) =>
      Dataset.fromFile(path.join(await ratings(), file), { ...options, labelType: "number" }),
  };
}

/** @type {TextSet[]} */
export const SETS = [
  rated("movies", "movie reviews", "movieReviewSnippets_GroundTruth.txt"),
  rated("tweets", "tweets", "tweets_GroundTruth.txt"),
  rated("products", "product reviews", "amazonReviewSnippets_GroundTruth.txt"),
  rated("editorials", "newspaper editorials", "nytEditorialSnippets_GroundTruth.txt"),
  {
    name: "spam",
    title: "mails, spam or not",
    problemType: "single_label_classification",
    labels: ["ham", "spam"],
    maxLength: 128,
    read: async (Dataset) => Dataset.from(readMails(path.join(await mails(), "data"))),
  },
];

/** Every mail's subject and text: other header lines tell where it was collected, which is too easy. */
function readMails(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".txt"));
  return files.sort().map((name) => {
    const mail = readFileSync(path.join(folder, name), "latin1");
    const [header] = mail.split(/\r?\n\r?\n/, 1);
    const subject = /^subject:(.*)$/im.exec(header)?.[1].trim() ?? "";
    const text = `${subject}\n${mail.slice(header.length).trim()}`.slice(0, MAIL_LIMIT);
    return { text, label: name.startsWith("spam") ? "spam" : "ham" };
  });
}

/**
 * Divides a set by lot and writes its parts as lines of JSON with `text` and `label`; and as `unlabelled` the texts of
 * the whole set, but for those that are tested.
 *
 * @param {TextSet} set
 * @param {{ seed: number, folder: string, limit: number, testSize: number }} how `limit`: at most so many texts;
 * `testSize`: the share of these that is tested
 */
export async function writeSplit(set, { seed, folder, limit, testSize }) {
  const { Dataset } = await import("../../dist/index.js"); // which setting up makes
  const all = await set.read(Dataset);
  const drawn =
    limit < (await all.size()) ? (await all.split({ testSize: limit, seed: 0 })).test : all;
  const parts = await drawn.split({ testSize, seed });
  const file = (part) => path.join(folder, `${part}.jsonl`);
  for (const part of ["train", "test"]) {
    await pipeline(linesOf(parts[part], set), createWriteStream(file(part)));
  }
  const tested = new Set();
  for await (const { text } of parts.test) tested.add(text);
  await pipeline(untested(all, tested), createWriteStream(file("unlabelled")));
  return { train: file("train"), test: file("test"), unlabelled: file("unlabelled") };
}

async function* untested(dataset, tested) {
  for await (const { text } of dataset)
    if (!tested.has(text)) yield `${JSON.stringify({ text })}\n`;
}

async function* linesOf(dataset, { labels, problemType }) {
  const isNumber = problemType === "regression";
  for await (const { text, label } of dataset) {
    yield `${JSON.stringify({ text, label: isNumber ? label : labels.indexOf(label) })}\n`;
  }
}
