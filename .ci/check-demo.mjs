// Reads what `npm run demo -- --json FILE` wrote: the held-out correlation must be above the given bound, and
// the logits equal after saving and loading.
import { readFileSync } from "node:fs";

const [file, bound] = process.argv.slice(2);
const { correlation, reloadedLogitsEqual } = JSON.parse(readFileSync(file, "utf8"));
console.log(`correlation ${correlation}, expected above ${bound}`);
console.log(`logits equal after saving and loading again: ${reloadedLogitsEqual}`);
process.exitCode = correlation > Number(bound) && reloadedLogitsEqual === true ? 0 : 1;
