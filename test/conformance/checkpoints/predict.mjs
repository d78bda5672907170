// Loads checkpoints through the public API: a JSON list of jobs on standard input, on standard output a list with the
// logits or the error of each. run.py starts it.
import { text } from "node:stream/consumers";

import { BertCnn } from "../../../dist/index.js";

/** @param {{ directory: string, options: object, files: { path: string, strict: boolean }[], ids: number[][] }} job */
async function logits({ directory, options, files, ids }) {
  const model = await BertCnn.fromPretrained(directory, options);
  try {
    for (const { path, strict } of files) await model.loadStateDict(path, { strict });
    const data = Int32Array.from(ids.flat());
    const attentionMask = { type: "int32", dims: [ids.length, ids[0].length] };
    attentionMask.data = data.map((id) => (id === 0 ? 0 : 1));
    const inputIds = { ...attentionMask, data };
    return { logits: [...(await model.predict({ inputIds, attentionMask })).logits.data] };
  } finally {
    await model.dispose();
  }
}

const results = [];
for (const job of JSON.parse(await text(process.stdin))) {
  results.push(await logits(job).catch(({ code, message }) => ({ code, message })));
}
process.stdout.write(JSON.stringify(results));
