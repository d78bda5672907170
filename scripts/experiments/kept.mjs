/** What ran before, kept with the repository, so that another call goes on from there. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FILE = fileURLToPath(new URL("runs.json", import.meta.url));

/** The records of one study that were made under the same conditions; others are left in the file. */
export class Kept {
  #conditions;
  #all;

  /**
   * @param {object} conditions what decides a result beside what tells records apart
   * @param {boolean} fresh whether to forget those that are there
   */
  constructor(conditions, fresh) {
    this.#conditions = JSON.stringify(conditions);
    this.#all = existsSync(FILE) ? JSON.parse(readFileSync(FILE, "utf8")) : [];
    if (fresh) this.#all = this.#all.filter((one) => one.conditions !== this.#conditions);
  }

  get records() {
    return this.#all.filter(({ conditions }) => conditions === this.#conditions);
  }

  has(wanted) {
    const same = (one) => Object.entries(wanted).every(([key, value]) => one[key] === value);
    return this.records.some(same);
  }

  add(record) {
    this.#all.push({ ...record, conditions: this.#conditions });
    const lines = this.#all.map((one) => JSON.stringify(one)).join(",\n");
    writeFileSync(`${FILE}.part`, `[\n${lines}\n]\n`);
    renameSync(`${FILE}.part`, FILE);
  }
}
