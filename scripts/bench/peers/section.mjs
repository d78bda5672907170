/** A model's part of the benchmark in one precision: its contenders are started, checked, timed by turns, and ended. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { agreementOf, compareLogits } from "./checks.mjs";
import { forgetPeak, freeMemory, memoryOf, PeerProcess } from "./client.mjs";
import { flopsOfTexts, linearShapes, productRate, shapeOf } from "./flops.mjs";
import { describe } from "./report.mjs";
import { takeTurns, titleOf, Watch } from "./rounds.mjs";

/** Rows of the measured matrix products: tokens in a batch. */
const PRODUCT_ROWS = 1024;
/** Free memory below which the contenders may come to disturb each other. */
const SCARCE = 2 ** 30;
const PRODUCT = fileURLToPath(new URL("product.py", import.meta.url));

/**
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} title
 * @property {"bulk" | "batched" | "latency"} kind
 * @property {number[][] | string[]} texts
 * @property {number[]} lengths
 * @property {number} batch
 *
 * @typedef {import("./contenders.mjs").Contender & { peer: PeerProcess, memory: object, described: object }} Running
 */

export class Section {
  /**
   * @param {object} given
   * @param {import("./models.mjs").Model} given.model
   * @param {Workload[]} given.workloads
   * @param {string} given.precision
   * @param {import("./contenders.mjs").Contender[]} given.contenders of this precision
   * @param {string} given.scratch a folder for files
   * @param {NodeJS.ProcessEnv} given.env of Python
   * @param {number} given.cores
   * @param {(text: string) => void} given.log
   */
  constructor(given) {
    Object.assign(this, given);
    this.shape = shapeOf(given.model.config);
    /** @type {Running[]} */
    this.running = [];
    this.leftOut = [];
    this.failed = [];
    this.accuracy = [];
  }

  /** Starts all contenders; those that can't load are left out, and those whose outputs are wrong have failed. */
  async start() {
    const read = (name) => JSON.parse(readFileSync(path.join(this.model.folder, name), "utf8"));
    const reference = read("reference.json");
    this.file = path.join(this.scratch, `${this.model.name}.json`);
    const check = { name: "check", texts: reference.inputs, batch: reference.inputs.length };
    const known = this.sentences === undefined ? [] : [this.sentences];
    writeFileSync(this.file, JSON.stringify([check, ...known, ...this.workloads]));
    for (const contender of this.contenders) await this.#startOne(contender, reference);
    this.product = this.#spawn(PRODUCT);
    await this.product.ask({ do: "load", settings: { threads: this.cores } });
    const free = freeMemory();
    if (free < SCARCE) {
      this.log(
        `note: only ${Math.round(free / 2 ** 20)} MB of memory are free; leave out --peers or --precisions`,
      );
    }
  }

  async #startOne(contender, reference) {
    const name = titleOf(contender);
    const peer = this.#spawn(contender.program);
    try {
      const { folder } = this.model;
      const request = { do: "load", folder, settings: contender.settings, workloads: this.file };
      const { described, padding } = await peer.ask(request);
      const memory = { loaded: memoryOf(peer.pid, "VmRSS") };
      const check = await this.#check(contender, peer, padding, reference);
      this.log(`  ${name}: ${describe(described)}; ${describeCheck(check)}`);
      if (!check.passed) {
        this.failed.push({ name, model: this.model.name, check });
        await peer.end();
        return;
      }
      const twin = ({ system, precision }) =>
        system === contender.system && precision === contender.precision;
      const first = !this.running.some(twin);
      if (first && this.sentences) await this.#measureAccuracy(contender, peer);
      this.running.push({ ...contender, peer, described, check, memory });
      forgetPeak(peer.pid);
    } catch (error) {
      const reason = [error.code, error.message].filter(Boolean).join(": ");
      this.log(`  ${name} is left out: ${reason}`);
      this.leftOut.push({ name, reason });
      await peer.end();
    }
  }

  /** The logits of texts alone and of a batch of them beside PyTorch's. */
  async #check(contender, peer, padding, reference) {
    const [bulk] = contender.modes.bulk;
    const wanted = padding === "convolved" ? reference.padded : reference.alone;
    const outputs = (mode) => peer.ask({ do: "outputs", workload: "check", mode });
    const checks = [
      compareLogits(contender.precision, (await outputs("alone")).logits, reference.alone),
      compareLogits(contender.precision, (await outputs(bulk)).logits, wanted),
    ];
    return {
      difference: Math.max(...checks.map(({ difference }) => difference)),
      correlation: Math.min(...checks.map((check) => check.correlation)),
      passed: checks.every(({ passed }) => passed),
    };
  }

  async #measureAccuracy(contender, peer) {
    const { system, precision, modes } = contender;
    // Without padding: a prototype's outputs depend on it.
    const mode = modes.bulk.includes("call") ? "call" : "each";
    const { logits } = await peer.ask({ do: "outputs", workload: this.sentences.name, mode });
    const agreement = agreementOf(logits, this.sentences.logits);
    this.accuracy.push({ system, precision, ...agreement });
  }

  #spawn(program) {
    const python = program.endsWith(".py");
    const command = python ? "python3" : process.execPath;
    return new PeerProcess(command, [program], python ? this.env : process.env);
  }

  /**
   * @param {number} rounds
   * @param {() => number} random
   * @param {(entry: import("./rounds.mjs").Entry) => boolean} keep what is to be timed in every round
   */
  async measure(rounds, random, keep) {
    const entries = this.running.flatMap((contender) => this.#entriesOf(contender, keep));
    const pids = new Map(this.running.map((each) => [titleOf(each), each.peer.pid]));
    pids.set("product", this.product.pid);
    const watch = new Watch(pids, this.cores);
    const product = [];
    await takeTurns({
      entries,
      rounds,
      random,
      time: (entry) => watch.during(titleOf(entry), () => this.#time(entry)),
      product: (round) => watch.during("product", () => this.#measureProduct(product, round)),
      thinned: () => this.#endUnused(entries),
      log: this.log,
    });
    return this.#results(entries, product, watch.shares);
  }

  #entriesOf({ system, precision, way, modes }, keep) {
    return this.workloads.flatMap((workload) =>
      modes[workload.kind].map((mode) => {
        const entry = { system, precision, way, mode, workload: workload.name };
        return { ...entry, keep: keep(entry), warmUp: null, times: [], active: true };
      }),
    );
  }

  async #time({ workload, mode, ...who }) {
    const { peer } = this.running.find((each) => titleOf(each) === titleOf(who));
    return (await peer.ask({ do: "time", workload, mode })).seconds;
  }

  async #measureProduct(rates, round) {
    const shapes = linearShapes(this.shape);
    const request = { do: "product", precision: this.precision, rows: PRODUCT_ROWS, shapes };
    const reply = await this.product.ask(request).catch(() => null); // not on this processor
    if (reply) rates[round - 1] = productRate(shapes, reply.rates);
  }

  async #endUnused(entries) {
    for (const contender of this.running) {
      const name = titleOf(contender);
      if (entries.some((entry) => entry.active && titleOf(entry) === name)) continue;
      await this.#endOne(contender);
    }
  }

  async #endOne(contender) {
    if (contender.memory.serving !== undefined) return;
    try {
      contender.memory.serving = memoryOf(contender.peer.pid, "VmHWM");
    } catch {
      contender.memory.serving = NaN; // it has ended by itself
    }
    await contender.peer.end();
  }

  /** Ends all processes. */
  async end() {
    for (const contender of this.running) await this.#endOne(contender);
    await this.product?.end();
  }

  #results(entries, product, shares) {
    const workloads = this.workloads.map(({ name, title, kind, lengths }) => ({
      name,
      title,
      kind,
      model: this.model.name,
      texts: lengths.length,
      tokens: lengths.reduce((sum, length) => sum + length, 0),
      flops: flopsOfTexts(this.shape, lengths),
      entries: entries.filter(({ workload }) => workload === name).map(resultOf),
    }));
    return { workloads, product, shares };
  }

  /** What is told of the contenders, after their end. */
  get systems() {
    return this.running.map(({ system, precision, way, described, check, memory }) => {
      return { model: this.model.name, system, precision, way, described, check, memory };
    });
  }
}

function resultOf({ system, precision, way, mode, warmUp, times, failed }) {
  return { system, precision, way, mode, warmUp, times, ...(failed ? { failed } : {}) };
}

function describeCheck({ difference, correlation, passed }) {
  const how = `differs from PyTorch by ${difference.toExponential(1)}, correlation ${correlation.toFixed(5)}`;
  return passed ? how : `FAILED: ${how}`;
}
