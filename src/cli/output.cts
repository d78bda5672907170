import { createReadStream, createWriteStream } from "node:fs";
import { truncate } from "node:fs/promises";
import { once } from "node:events";
import type { Writable } from "node:stream";

import type { BertCnnError } from "../errors.cjs";
import { ioError } from "../report/write-file.cjs";

/** Lines of JSON to a file or to standard output. */
export class LineOutput {
  readonly #stream: Writable;
  #failure: BertCnnError | undefined;

  private constructor(stream: Writable, name: string) {
    this.#stream = stream;
    stream.on("error", (error) => {
      this.#failure ??= ioError("Cannot write", name, error);
    });
  }

  /** @param file - `undefined`: standard output */
  static open(file: string | undefined, append: boolean): LineOutput {
    if (file === undefined) return new LineOutput(process.stdout, "standard output");
    return new LineOutput(createWriteStream(file, { flags: append ? "a" : "w" }), file);
  }

  /** Fulfilled when there is room for more; throws ERR_IO. */
  async write(value: unknown): Promise<void> {
    this.#check();
    if (this.#stream.write(`${JSON.stringify(value)}\n`)) return;
    await Promise.race([once(this.#stream, "drain"), once(this.#stream, "close")]).catch(
      () => undefined,
    );
    this.#check();
  }

  /** Fulfilled when all is written; throws ERR_IO. */
  async close(): Promise<void> {
    // A stream that failed is closed already, and does not say so again.
    if (this.#stream !== process.stdout && !this.#stream.closed) {
      const closed = once(this.#stream, "close").catch(() => undefined);
      this.#stream.end();
      await closed;
    }
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

const LINE_FEED = 10;

/**
 * How many lines an earlier run wrote whole. What it left of another one is cut off. Throws ERR_IO.
 */
export async function wholeLines(file: string): Promise<number> {
  let lines = 0;
  let size = 0;
  let end = 0;
  try {
    for await (const chunk of createReadStream(file)) {
      const bytes = chunk as Buffer;
      for (let i = bytes.indexOf(LINE_FEED); i >= 0; i = bytes.indexOf(LINE_FEED, i + 1)) {
        lines++;
        end = size + i + 1;
      }
      size += bytes.length;
    }
    if (end < size) await truncate(file, end);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw ioError("Cannot go on with", file, error);
  }
  return lines;
}
