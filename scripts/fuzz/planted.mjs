/** Builds fuzzers from a copy of the sources that holds a planted bug. */
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { root, SetupError } from "../setup/project.mjs";
import { BUILD, buildFuzzers } from "./build.mjs";

const FOLDER = path.join(BUILD, "planted");
const SOURCE = path.join(FOLDER, "source");

/**
 * One program a bug. The bugs are in the copy one after another, so that each build compiles one file.
 *
 * @param {readonly typeof import("../../test/fuzz/planted.mjs").planted[number][]} bugs
 * @returns {Promise<string[]>} the programs, in the bugs' order
 */
export async function buildPlanted(bugs) {
  rmSync(SOURCE, { recursive: true, force: true });
  for (const part of ["CMakeLists.txt", "native", "test/fuzz"]) {
    cpSync(path.join(root, part), path.join(SOURCE, part), {
      recursive: true,
      preserveTimestamps: true,
    });
  }
  mkdirSync(path.join(FOLDER, "programs"), { recursive: true });
  const programs = [];
  for (const [i, bug] of bugs.entries()) {
    const file = path.join(SOURCE, bug.file);
    const whole = readFileSync(file, "utf8");
    writeFileSync(file, plant(whole, bug));
    const programOf = await buildFuzzers(SOURCE, path.join(FOLDER, "build"), bug.target);
    const program = path.join(FOLDER, "programs", `${i}-${bug.target}`);
    copyFileSync(programOf(bug.target), program);
    programs.push(program);
    writeFileSync(file, whole);
  }
  return programs;
}

/** @throws {SetupError} where the check that the bug takes away is no longer there, or there twice */
export function plant(text, { what, file, good, bad }) {
  const parts = text.split(good);
  if (parts.length === 2) return parts.join(bad);
  throw new SetupError(
    `the bug "${what}" cannot be planted: ${file} holds \`${good}\` ${parts.length - 1} times, not once. ` +
      "Bring the list of bugs up to date.",
  );
}
