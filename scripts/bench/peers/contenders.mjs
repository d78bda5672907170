/**
 * Who takes part, with which settings. A system in one precision may take part in several ways, each a process of
 * its own: its fastest counts.
 */
import path from "node:path";
import { fileURLToPath } from "node:url";

const FOLDER = path.dirname(fileURLToPath(import.meta.url));

export const OURS = "bertcnn";
export const PROTOTYPE = "PyTorch prototype";

/**
 * @typedef {object} Contender
 * @property {string} system
 * @property {"float32" | "bfloat16" | "int8"} precision
 * @property {string} way its settings in a word or two; "" where there is one way only
 * @property {string} program
 * @property {object} settings
 * @property {Record<string, string[]>} modes how it is fed, by kind of workload
 */

/** How a padding system is fed: see peer.mjs. */
const PEER_MODES = {
  bulk: ["arrival", "sorted", "each"],
  batched: ["arrival"],
  latency: ["alone"],
};
const OUR_MODES = { bulk: ["call", "requests"], batched: ["call"], latency: ["alone"] };

/** What the modes are called in tables. */
export const MODE_TITLES = {
  arrival: "arrival order",
  sorted: "sorted by length",
  each: "text by text",
  call: "one call",
  requests: "a call each",
  alone: "one by one",
};

/** Names of `--peers`: what each needs installed, and the form of the model that it loads; null: PyTorch, ours. */
export const PEERS = {
  prototype: { title: PROTOTYPE, needs: null, form: null },
  compile: { title: "torch.compile", needs: null, form: null },
  onnxruntime: { title: "onnxruntime-node", needs: "npm", form: "onnx" },
  "transformers-js": { title: "transformers.js", needs: "npm", form: "onnx" },
  openvino: { title: "OpenVINO", needs: "python", form: "onnx" },
  ctranslate2: { title: "CTranslate2", needs: "python", form: "ctranslate2" },
};

/**
 * The contenders of the chosen peers. What they load is made first: `converted` tells the folders.
 *
 * @param {object} given
 * @param {readonly string[]} given.peers
 * @param {number} given.cores
 * @param {unknown} given.threads of ours; undefined: in the ways of {@link divisions}
 * @param {string | null} given.packages folder of the Node.js peers
 * @param {{ onnx?: string, ctranslate2?: string }} given.converted
 * @param {boolean} given.texts whether sentences are to be tokenized
 * @returns {Contender[]}
 */
export function contenders({ peers, cores, threads, packages, converted, texts }) {
  const common = { cores, threads, packages, converted, texts };
  const list = ours(common);
  for (const peer of peers.filter((name) => canLoad(name, converted))) {
    list.push(...BY_PEER[peer](common));
  }
  return list;
}

const contender = (system, precision, way, program, settings, modes = PEER_MODES) => ({
  system,
  precision,
  way,
  program: path.join(FOLDER, program),
  settings,
  modes,
});

function ours({ cores, threads }) {
  return ["float32", "bfloat16", "int8"].flatMap((dtype) =>
    ourDivisions(cores, threads).map(({ way, ...given }) =>
      contender(OURS, dtype, way, "ours.mjs", { dtype, ...given }, OUR_MODES),
    ),
  );
}

/** As the peers' where the user does not choose. */
function ourDivisions(cores, threads) {
  if (threads !== undefined) return [{ way: "", threads }];
  return divisions(cores).map(({ way, workers, threads: perWorker }) => ({
    way,
    threads: workers === 1 ? perWorker : { workers, perWorker },
  }));
}

/** One batch with all processors, or as many batches at a time as there are processors. */
function divisions(cores) {
  const whole = { workers: 1, threads: cores, way: `1 x ${cores}` };
  return cores === 1 ? [whole] : [whole, { workers: cores, threads: 1, way: `${cores} x 1` }];
}

const BY_PEER = {
  prototype({ cores: threads }) {
    const make = (precision, autocast) =>
      contender(PROTOTYPE, precision, "", "prototype.py", { threads, autocast });
    return [make("float32", false), make("bfloat16", true)];
  },

  compile({ cores: threads }) {
    const settings = { threads, autocast: false, compile: true };
    return [contender("torch.compile", "float32", "", "prototype.py", settings)];
  },

  onnxruntime({ cores, packages, converted, texts }) {
    const files = { float32: "model.onnx", int8: "model_quantized.onnx" };
    return Object.entries(files).flatMap(([precision, name]) =>
      divisions(cores).map(({ way, ...division }) => {
        const file = path.join(converted.onnx, "onnx", name);
        const settings = { file, packages, texts, ...division };
        return contender("onnxruntime-node", precision, way, "onnxruntime.mjs", settings);
      }),
    );
  },

  "transformers-js"({ cores: threads, packages, converted, texts }) {
    return Object.entries({ float32: "fp32", int8: "q8" }).map(([precision, dtype]) => {
      const settings = { models: converted.onnx, dtype, packages, threads, texts };
      return contender("transformers.js", precision, "", "transformers-js.mjs", settings);
    });
  },

  openvino({ cores: threads, converted }) {
    return Object.entries({ float32: "f32", bfloat16: "bf16" }).flatMap(([name, precision]) =>
      ["LATENCY", "THROUGHPUT"].map((hint) => {
        const settings = { onnx: converted.onnx, precision, hint, threads };
        return contender("OpenVINO", name, hint, "openvino_peer.py", settings);
      }),
    );
  },

  ctranslate2({ cores, converted }) {
    return Object.entries({ float32: "float32", int8: "int8" }).flatMap(([name, computeType]) =>
      divisions(cores).map(({ way, ...division }) => {
        const folder = path.join(converted.ctranslate2, "model");
        const settings = { converted: folder, computeType, ...division };
        return contender("CTranslate2", name, way, "ctranslate2_peer.py", settings);
      }),
    );
  },
};

/** The forms of a model that the chosen peers load. @param {readonly string[]} peers */
export function formsFor(peers) {
  return [...new Set(peers.map((name) => PEERS[name].form))].filter((form) => form !== null);
}

/** Whether the form of the model that a peer needs could be made. */
export function canLoad(peer, converted) {
  const { form } = PEERS[peer];
  return form === null || converted[form] !== undefined;
}
