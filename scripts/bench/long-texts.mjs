/**
 * How memory and time grow with the length of a text: `npm run bench:long-texts [-- --lengths 128,1024,8192,65536]`. MiniLM
 * with `longText: "window"` and windows of 128 tokens predicts one text, or takes one training step on it, in a process
 * of its own for each length. Prints the process's highest resident memory beside that for the shortest text, and the
 * time for a token beside the second shortest's.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { minilm } from "../assets.mjs";
import { must } from "../checks/steps.mjs";
import { reportingFailure, setUp } from "../setup.mjs";
import { SetupError } from "../setup/project.mjs";
import { asText } from "./peers/table.mjs";

const RUN = path.join(path.dirname(fileURLToPath(import.meta.url)), "long-texts", "run.mjs");
const WORKS = ["predict", "train"];

await reportingFailure(async () => {
  const { values } = parseArgs({
    options: { lengths: { type: "string", default: "128,1024,8192,65536" } },
  });
  const lengths = values.lengths.split(",").map(Number);
  if (lengths.length < 2 || !lengths.every((length) => Number.isInteger(length) && length > 2)) {
    throw new SetupError("--lengths are at least two whole numbers above 2.");
  }
  await setUp();
  const encoder = await minilm();
  for (const work of WORKS) {
    const seen = lengths.map((length) => {
      const printed = must(process.execPath, [RUN, JSON.stringify({ encoder, work, length })]);
      return { length, ...JSON.parse(printed) };
    });
    const perToken = ({ seconds, length }) => seconds / length;
    const rows = seen.map((one) => [
      one.length.toLocaleString("en"),
      one.megabytes.toFixed(0),
      `+${(one.megabytes - seen[0].megabytes).toFixed(0)}`,
      (perToken(one) / perToken(seen[1])).toFixed(2),
    ]);
    console.log(asText({ head: [`${work}, tokens`, "MB", "more", "time a token"], rows }));
  }
});
