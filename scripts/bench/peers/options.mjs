/** The benchmark's command line. */
import { parseArgs } from "node:util";

import { userPath } from "../../setup/project.mjs";
import { PEERS } from "./contenders.mjs";
import { PRECISIONS } from "./results.mjs";
import { basePlans } from "./workloads.mjs";

const WORKLOADS = [...Object.keys(basePlans(false)), "sentences"];

export const USAGE = `npm run bench -- [options]

Times the same texts in bertcnn and in other systems, by turns, and prints ratios. Exit code 1 where a system's
outputs differ from PyTorch's or a goal is missed.

  --install-peers      fetch the other systems into the cache first (1 GB); without them only PyTorch takes part
  --peers A,B          of ${Object.keys(PEERS).join(", ")}
                       (default: what is installed)
  --precisions A,B     of ${PRECISIONS.join(", ")} (default: those that the processor multiplies)
  --workloads A,B      of ${WORKLOADS.join(", ")}
                       (default: all)
  --model DIR          for the workload 'sentences': a BERT checkpoint, or what savePretrained wrote
                       (default: MiniLM with a head that is trained on the ratings)
  --data FILE          for the workload 'sentences': lines of id, rating and text between tabs, or of text
                       (default: rated sentences of movie reviews)
  --threads T          of bertcnn: a number, auto, or WxP for P threads in each of W workers
                       (default: one worker, and one for each processor; the faster counts, as for peers)
  --rounds N           default 5
  --quick              few texts, one round, no goals: does it all work?
  --json FILE          write all results there
  --svg FILE           draw the chart there
  --docs               write docs/performance.md and its chart from the results
  --from FILE          take the results of an earlier run (--json) instead of measuring
  --help               show this`;

/**
 * @typedef {object} BenchOptions
 * @property {string[] | null} peers null: what is installed
 * @property {string[] | null} precisions null: those that the processor multiplies
 * @property {string[]} workloads
 * @property {string | undefined} model
 * @property {string | undefined} data
 * @property {number | string | { workers: number, perWorker: number } | undefined} threads
 * @property {number} rounds
 * @property {boolean} quick
 * @property {boolean} installPeers
 * @property {string | undefined} json
 * @property {string | undefined} svg
 * @property {boolean} docs
 * @property {string | undefined} from
 * @property {boolean} help
 */

/**
 * Reads the command line. Throws an Error that names the option and what would be right.
 * @param {string[]} args
 * @returns {BenchOptions}
 */
export function readOptions(args) {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const { values } = parseArgs({
    args,
    options: {
      "install-peers": flag,
      peers: text,
      precisions: text,
      workloads: text,
      model: text,
      data: text,
      threads: text,
      rounds: text,
      quick: flag,
      json: text,
      svg: text,
      docs: flag,
      from: text,
      help: flag,
    },
  });
  const file = (name) => (values[name] === undefined ? undefined : userPath(values[name]));
  return {
    peers: values.peers === undefined ? null : choose("--peers", values.peers, Object.keys(PEERS)),
    precisions:
      values.precisions === undefined
        ? null
        : choose("--precisions", values.precisions, PRECISIONS),
    workloads: choose("--workloads", values.workloads ?? WORKLOADS.join(), WORKLOADS),
    model: file("model"),
    data: file("data"),
    threads: readThreads(values.threads),
    rounds: wholeNumber("--rounds", values.rounds ?? (values.quick ? "1" : "5")),
    quick: values.quick,
    installPeers: values["install-peers"],
    json: file("json"),
    svg: file("svg"),
    docs: values.docs,
    from: file("from"),
    help: values.help,
  };
}

function choose(name, text, known) {
  const chosen = text.split(",").filter((each) => each !== "");
  const strange = chosen.find((each) => !known.includes(each));
  if (strange === undefined) return known.filter((each) => chosen.includes(each));
  throw new Error(`Expected names of ${known.join(", ")} for ${name} but received '${strange}'`);
}

function readThreads(text) {
  if (text === undefined || text === "auto") return text;
  const [, workers, perWorker] = /^(\d+)x(\d+)$/.exec(text) ?? [];
  if (workers !== undefined) return { workers: Number(workers), perWorker: Number(perWorker) };
  return wholeNumber("--threads", text);
}

function wholeNumber(name, text) {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Error(`Expected a whole number of at least 1 for ${name} but received '${text}'`);
}
