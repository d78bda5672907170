import { readFile } from "node:fs/promises";
import path from "node:path";

import { throwIfAborted, whetherCancelled } from "./calls.cjs";
import { BertCnnError } from "./errors.cjs";
import { exists, isCommit, ModelCache, setting } from "./hub-cache.cjs";
import { download } from "./hub-download.cjs";
import { connectionFailure, describe, endpoint, persist, request } from "./hub-request.cjs";
import type { HubOptions } from "./options.cjs";
import { readDirectory } from "./paths.cjs";

/** What is wanted of a model: all of it, or its tokenizer. */
export type Wanted = "model" | "tokenizer";

const TOKENIZER_FILES = [
  "tokenizer.json",
  "vocab.txt",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
];
/** Either makes a tokenizer; the other files only change it. */
const VOCABULARIES = ["tokenizer.json", "vocab.txt"];
/** In the order in which the engine looks for them. */
const WEIGHTS = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

/**
 * Whether a source can be a model's id: `name` or `organisation/name`. The rules are the hub's, and they leave no
 * way out of the cache's folder.
 */
export function isModelId(source: unknown): source is string {
  if (typeof source !== "string" || source.length > 96 || /--|\.\./.test(source)) return false;
  return /^(\w([\w.-]*\w)?\/)?\w([\w.-]*\w)?$/.test(source);
}

/** The directory that a source stands for. One that exists wins; else an id is looked for in the cache, then fetched. */
export async function readSource(
  source: unknown,
  wanted: Wanted,
  options: HubOptions,
): Promise<string> {
  if (!isModelId(source) || (await exists(source))) return readDirectory(source, "source");
  throwIfAborted(options.signal);
  // Our own controller: the caller's signal may be of a kind that fetch does not take.
  const controller = new AbortController();
  const stop = () => {
    controller.abort();
  };
  const call = new HubCall(source, wanted, options, controller.signal);
  return whetherCancelled(call.directory(), stop, options.signal);
}

/** A plain name: shards lie beside their index. */
function isFileName(name: unknown): name is string {
  if (typeof name !== "string" || name.length > 255) return false;
  return !/[/\\\0]/.test(name) && !["", ".", ".."].includes(name);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** The shards that an index names. */
async function readShards(index: string): Promise<string[]> {
  const { weight_map: map } = Object(parse(await readFile(index, "utf8"))) as Record<
    string,
    object
  >;
  const names = [...new Set<unknown>(Object.values(map ?? {}))];
  if (names.length > 0 && names.every(isFileName)) return names;
  throw new BertCnnError(
    "ERR_CHECKPOINT_FORMAT",
    `${index} is no index of shards: expected a weight_map with the plain names of files`,
  );
}

/** What a revision holds. */
interface Listing {
  commit: string;
  files: ReadonlySet<string>;
}

/** One look for a model: what it is for, and where it goes. */
class HubCall {
  readonly #id: string;
  readonly #wanted: Wanted;
  readonly #revision: string;
  readonly #progress: HubOptions["progress"];
  readonly #signal: AbortSignal;
  readonly #cache: ModelCache;

  constructor(id: string, wanted: Wanted, options: HubOptions, signal: AbortSignal) {
    this.#id = id;
    this.#wanted = wanted;
    this.#revision = options.revision ?? "main";
    this.#progress = options.progress;
    this.#signal = signal;
    this.#cache = new ModelCache(id);
  }

  async directory(): Promise<string> {
    try {
      return await this.#find();
    } catch (error) {
      if (this.#signal.aborted) throw new BertCnnError("ERR_CANCELLED", "Loading was cancelled");
      // Whatever the system says names its call; what the caller's own function throws is passed on.
      const { syscall, message } = Object(error) as NodeJS.ErrnoException;
      if (syscall === undefined) throw error;
      throw new BertCnnError("ERR_IO", `The Hugging Face cache: ${message}`, { cause: error });
    }
  }

  async #find(): Promise<string> {
    const commit = await this.#cache.commitOf(this.#revision);
    const missing = commit === undefined ? ["all of it"] : await this.#missing(commit);
    const usable = commit !== undefined && missing.length === 0;
    if (usable && (await this.#isSettled(commit))) return this.#cache.snapshot(commit);
    if (/^(1|on|yes|true)$/i.test(setting("HF_HUB_OFFLINE") ?? "")) {
      if (usable) return this.#cache.snapshot(commit);
      throw this.#error(
        "ERR_FILE_NOT_FOUND",
        `is not in the Hugging Face cache, and HF_HUB_OFFLINE forbids to fetch it. ` +
          `Missing: ${missing.join(", ")}; looked in ${path.dirname(this.#cache.snapshot("x"))}`,
      );
    }
    const listing = await this.#listing().catch((error: unknown) => {
      // As in Python: without a network, what is there has to do.
      if (usable && (error as { code?: unknown }).code === "ERR_NETWORK") return undefined;
      throw error;
    });
    return listing ? this.#fetch(listing) : this.#cache.snapshot(String(commit));
  }

  /** The files that the cache lacks and that loading cannot do without. */
  async #missing(commit: string): Promise<string[]> {
    const missing: string[] = [];
    if (this.#wanted === "model") {
      if (!(await this.#cache.has(commit, "config.json"))) missing.push("config.json");
      missing.push(...(await this.#missingWeights(commit)));
    }
    const vocabularies = await this.#which(VOCABULARIES, (file) => this.#cache.has(commit, file));
    const absent = await this.#which(VOCABULARIES, (file) => this.#cache.lacks(commit, file));
    if (vocabularies.length === 0 && absent.length < VOCABULARIES.length) {
      missing.push(VOCABULARIES.join(" or "));
    }
    return missing;
  }

  async #missingWeights(commit: string): Promise<string[]> {
    const has = (file: string) => this.#cache.has(commit, file);
    // The engine takes the first, so the others do not count.
    const [first] = await this.#which(WEIGHTS, has);
    if (first === undefined) return [WEIGHTS.join(" or ")];
    if (!first.endsWith(".json")) return [];
    const shards = await readShards(path.join(this.#cache.snapshot(commit), first));
    const there = await this.#which(shards, has);
    return shards.filter((shard) => !there.includes(shard));
  }

  /** Whether of each of the tokenizer's files it is known that it is there or that it does not exist. */
  async #isSettled(commit: string): Promise<boolean> {
    const known = await this.#which(
      TOKENIZER_FILES,
      async (file) =>
        (await this.#cache.has(commit, file)) || (await this.#cache.lacks(commit, file)),
    );
    return known.length === TOKENIZER_FILES.length;
  }

  async #which(files: readonly string[], holds: (file: string) => Promise<boolean>) {
    const answers = await Promise.all(files.map(holds));
    return files.filter((_, i) => answers[i]);
  }

  async #fetch({ commit, files }: Listing): Promise<string> {
    if (this.#wanted === "model") await this.#fetchFile(commit, "config.json", files);
    for (const file of TOKENIZER_FILES) {
      if (files.has(file)) await this.#fetchFile(commit, file, files);
      else await this.#cache.noteAbsence(commit, file);
    }
    if (this.#wanted === "model") await this.#fetchWeights(commit, files);
    else if (!VOCABULARIES.some((file) => files.has(file))) {
      throw this.#error("ERR_FILE_NOT_FOUND", `has neither ${VOCABULARIES.join(" nor ")}`);
    }
    // Last: a revision that the cache knows has its files.
    if (!isCommit(this.#revision)) await this.#cache.setCommit(this.#revision, commit);
    return this.#cache.snapshot(commit);
  }

  async #fetchWeights(commit: string, files: ReadonlySet<string>): Promise<void> {
    const first = WEIGHTS.find((file) => files.has(file));
    if (first === undefined) {
      throw this.#error(
        "ERR_FILE_NOT_FOUND",
        `has no weights that are read; looked for ${WEIGHTS.join(", ")}`,
      );
    }
    await this.#fetchFile(commit, first, files);
    if (!first.endsWith(".json")) return;
    const shards = await readShards(path.join(this.#cache.snapshot(commit), first));
    for (const shard of shards) await this.#fetchFile(commit, shard, files);
  }

  async #fetchFile(commit: string, file: string, files: ReadonlySet<string>): Promise<void> {
    if (await this.#cache.has(commit, file)) return;
    if (!files.has(file)) throw this.#error("ERR_FILE_NOT_FOUND", `has no ${file}`);
    const what = `${file} of ${this.#id}`;
    const url = `${endpoint()}/${this.#id}/resolve/${commit}/${encodeURIComponent(file)}`;
    const remote = await describe(url, what, this.#signal);
    const blob = this.#cache.blob(remote.etag);
    const report = (loaded: number, total: number | null) =>
      this.#progress?.({ file, loaded, total });
    if (!(await exists(blob))) {
      await download(blob, { remote, what, report, signal: this.#signal });
    }
    await this.#cache.link(commit, file, remote.etag);
  }

  /** The revision's commit and the names of its files. */
  async #listing(): Promise<Listing> {
    const what = `${this.#id}, which is no directory here, at revision ${this.#revision}`;
    const revision = encodeURIComponent(this.#revision);
    const url = `${endpoint()}/api/models/${this.#id}/revision/${revision}`;
    const ask = async () => {
      const response = await request(url, what, {}, this.#signal);
      return response.text().catch((error: unknown) => {
        throw connectionFailure(what, error);
      });
    };
    const answer = parse(await persist(ask, this.#signal));
    const { sha, siblings } = Object(answer) as Record<string, unknown>;
    if (!isCommit(sha) || !Array.isArray(siblings)) {
      throw new BertCnnError(
        "ERR_NETWORK",
        `The answer for ${what} is not a hub's; is ${url} one?`,
      );
    }
    const names = siblings.map((entry) => (Object(entry) as { rfilename?: unknown }).rfilename);
    return { commit: sha, files: new Set(names.filter(isFileName)) };
  }

  #error(code: "ERR_FILE_NOT_FOUND", problem: string): BertCnnError {
    return new BertCnnError(
      code,
      `The model ${this.#id}, revision ${this.#revision}, ${problem}. There is no directory ` +
        `${path.resolve(this.#id)} either`,
    );
  }
}
