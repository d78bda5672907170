/** Where this package lies, and whether it is a source checkout or an installed package. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** A failure that one line explains: what is wrong and what to run. No stack is shown for it. */
export class SetupError extends Error {}

/** npm never packs a lock file, so only a source checkout has one. */
export const isCheckout = existsSync(path.join(root, "package-lock.json"));

/** Resolves as this package would: its dependencies may be hoisted into a folder above. */
export const requireFromHere = createRequire(path.join(root, "package.json"));

export const packageJson = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));

/**
 * Whether the module with this `import.meta.url` is the program that was started, be it through a symbolic link.
 *
 * @param {string} url
 */
export function isProgram(url) {
  try {
    return realpathSync(process.argv[1]) === realpathSync(fileURLToPath(url));
  } catch {
    return false; // No program but `node -e`: its first argument is no file.
  }
}

/**
 * A path as the user means it: from where npm was called, if npm has changed to this package's folder.
 *
 * @param {string} place
 */
export function userPath(place, env = process.env) {
  const base = process.cwd() === root ? (env.INIT_CWD ?? root) : process.cwd();
  return path.resolve(base, place);
}

/** One line about what set-up is doing now; what is already done is not mentioned. */
export function say(text) {
  console.log(`bertcnn: ${text}`);
}
