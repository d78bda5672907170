import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";

/** A commit's name, and nothing else: it becomes part of paths. */
const COMMIT = /^[0-9a-f]{40}$/;

export function isCommit(text: unknown): text is string {
  return typeof text === "string" && COMMIT.test(text);
}

/** A variable of the environment; an empty one counts as not set. */
export function setting(name: string): string | undefined {
  const value = process.env[name]?.trim();
  return value === "" ? undefined : value;
}

function expandHome(folder: string): string {
  return path.resolve(folder.replace(/^~(?=\/|$)/, homedir()));
}

/** The folder of Hugging Face's own things: the cache, the token. */
export function huggingFaceHome(): string {
  const caches = setting("XDG_CACHE_HOME") ?? "~/.cache";
  return expandHome(setting("HF_HOME") ?? path.join(caches, "huggingface"));
}

function cacheFolder(): string {
  const given = setting("HF_HUB_CACHE") ?? setting("HUGGINGFACE_HUB_CACHE");
  return given === undefined ? path.join(huggingFaceHome(), "hub") : expandHome(given);
}

/** Whether there is such a file; a link whose target is gone is none. */
export async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** Puts a file in place in one step, over one that is there. */
async function putInPlace(file: string, make: (aside: string) => Promise<void>): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const aside = `${file}.${randomUUID()}`;
  try {
    await make(aside);
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/**
 * A model's folder in Hugging Face's cache, in the layout that Python's `huggingface_hub` reads and writes:
 * `blobs/{etag}` are the files, `snapshots/{commit}/{file}` links to them, `refs/{revision}` names the commit,
 * and an empty `.no_exist/{commit}/{file}` says that the commit has no such file.
 */
export class ModelCache {
  readonly #folder: string;

  /** @param id - a checked model id */
  constructor(id: string) {
    this.#folder = path.join(cacheFolder(), `models--${id.replace("/", "--")}`);
  }

  blob(etag: string): string {
    return path.join(this.#folder, "blobs", etag);
  }

  snapshot(commit: string): string {
    return path.join(this.#folder, "snapshots", commit);
  }

  /** The commit that the cache knows for a revision. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(this.#ref(revision), "utf8").catch(() => "");
    return isCommit(text.trim()) ? text.trim() : undefined;
  }

  has(commit: string, file: string): Promise<boolean> {
    return exists(path.join(this.snapshot(commit), file));
  }

  /** Whether it was seen that the commit has no such file. */
  lacks(commit: string, file: string): Promise<boolean> {
    return exists(this.#absence(commit, file));
  }

  async noteAbsence(commit: string, file: string): Promise<void> {
    const note = this.#absence(commit, file);
    try {
      await mkdir(path.dirname(note), { recursive: true });
      await writeFile(note, "");
    } catch {
      // Without the note the hub is asked again, no more.
    }
  }

  async link(commit: string, file: string, etag: string): Promise<void> {
    const link = path.join(this.snapshot(commit), file);
    const target = path.relative(path.dirname(link), this.blob(etag));
    await putInPlace(link, (aside) => symlink(target, aside));
  }

  async setCommit(revision: string, commit: string): Promise<void> {
    if ((await this.commitOf(revision)) === commit) return;
    await putInPlace(this.#ref(revision), (aside) => writeFile(aside, commit));
  }

  #ref(revision: string): string {
    return path.join(this.#folder, "refs", revision);
  }

  #absence(commit: string, file: string): string {
    return path.join(this.#folder, ".no_exist", commit, file);
  }
}
