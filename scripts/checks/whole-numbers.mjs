/** Options of a script that are whole numbers. */
import { SetupError } from "../setup/project.mjs";

/**
 * @param {Record<string, string>} values what parseArgs gave
 * @param {Record<string, number>} least the least that each may be
 * @returns {Record<string, number>}
 * @throws {SetupError} naming the option, its value and what would be right
 */
export function wholeNumbers(values, least) {
  const numbers = Object.keys(least).map((name) => [name, Number(values[name])]);
  for (const [name, number] of numbers) {
    if (Number.isInteger(number) && number >= least[name]) continue;
    throw new SetupError(
      `--${name} is '${values[name]}'; it is a whole number from ${String(least[name])} on.`,
    );
  }
  return Object.fromEntries(numbers);
}
