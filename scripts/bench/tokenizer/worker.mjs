// A process that encodes on request: CORPORA.json DIRECTORY [PEER]. A line in names a corpus and a way of
// encoding; a line out gives the milliseconds that it took, those of processor time, and the tokens it made.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [file, directory, peer] = process.argv.slice(2);

export { directory, peer };

/** @type {Record<string, string[]>} */
const corpora = JSON.parse(readFileSync(file, "utf8"));

/** @param {Record<string, (texts: string[]) => number | Promise<number>>} ways each gives the number of tokens */
export async function serve(ways) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [corpus, way] = line.split(" ");
    const begin = performance.now();
    const before = process.cpuUsage();
    const result = await ways[way](corpora[corpus]);
    const { user, system } = process.cpuUsage(before);
    console.log(JSON.stringify([performance.now() - begin, (user + system) / 1000, result]));
  }
}
