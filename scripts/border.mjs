/**
 * Calls the public interface with what nobody means to pass: `npm run test:border [-- --cases N --seed N]`. Wrong types
 * and shapes, detached, shrunk and shared arrays, getters that throw or say something else the second time, proxies, lone
 * surrogates. Each call must end, in a result or in an error that is one of ours or that we planted; and the process must
 * live. Prints the calls by function, and how many ended in a result.
 *
 * The calls are made in a child, which a crash ends; the parent then tells the call. `--planted` makes a call that ends
 * the process, and one that throws what it must not, and succeeds where both are noticed.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { asText } from "./bench/peers/table.mjs";
import { wholeNumbers } from "./checks/whole-numbers.mjs";
import { reportingFailure, setUp } from "./setup.mjs";

const CHILD = fileURLToPath(new URL("border/child.mjs", import.meta.url));
const LIMIT = 20 * 60 * 1000; // milliseconds, of a child

await reportingFailure(async () => {
  const { cases, seed, planted } = readArguments();
  await setUp();
  const scratch = mkdtempSync(path.join(os.tmpdir(), "bertcnn-border-"));
  try {
    if (planted) findPlanted(scratch);
    else if (!tell(call(scratch, { cases, seed }))) process.exitCode = 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

function readArguments() {
  const { values } = parseArgs({
    options: {
      cases: { type: "string", default: "100000" },
      seed: { type: "string", default: "1" },
      planted: { type: "boolean", default: false },
    },
  });
  return { ...wholeNumbers(values, { cases: 1, seed: 0 }), planted: values.planted };
}

/** Makes the calls in a child. */
function call(scratch, task) {
  const log = path.join(scratch, "calls.json");
  const last = path.join(scratch, "last");
  const child = spawnSync(process.execPath, [CHILD, JSON.stringify({ ...task, log, last })], {
    stdio: ["ignore", "inherit", "pipe"],
    timeout: LIMIT,
    encoding: "utf8",
    env: { ...process.env, GOMP_SPINCOUNT: "1000" },
  });
  const ended = child.status === 0 && existsSync(log);
  return {
    died: ended
      ? null
      : `${child.signal ?? `exit code ${String(child.status)}`}: ${child.stderr.trim().slice(-2000)}`,
    last: ended ? null : existsSync(last) ? readFileSync(last, "utf8") : "its start",
    result: ended ? JSON.parse(readFileSync(log, "utf8")) : null,
  };
}

/** @returns {boolean} whether all ended as they must */
function tell({ died, last, result }) {
  if (died !== null) {
    console.log(`FAILED: the process ended (${died}), in or after ${last}`);
    return false;
  }
  const rows = Object.entries(result.counts).map(([name, { calls, results }]) => [
    name,
    calls.toLocaleString("en"),
    results.toLocaleString("en"),
  ]);
  console.log(asText({ head: ["function", "calls", "ended in a result"], rows }));
  for (const finding of result.findings) console.log(`FAILED: ${finding}`);
  const sum = rows.reduce((total, [, calls]) => total + Number(calls.replaceAll(",", "")), 0);
  console.log(`${sum.toLocaleString("en")} calls, ${String(result.findings.length)} findings`);
  return result.findings.length === 0;
}

function findPlanted(scratch) {
  for (const plant of ["crash", "stranger", "hang"]) {
    const { died, result } = call(scratch, { cases: 300, seed: 1, plant });
    const seen = plant === "crash" ? died !== null : (result?.findings.length ?? 0) > 0;
    console.log(`${seen ? "ok" : "FAILED"}: a planted ${plant} is noticed`);
    if (!seen) process.exitCode = 1;
  }
}
