import { open, type FileHandle } from "node:fs/promises";

import { ioError } from "./write-file.cjs";

/** A file that grows, in the order of the calls, whether or not one waits for the other. */
export class AppendedFile {
  readonly #file: string;
  readonly #handle: FileHandle;
  #last: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /** Made where it is not there. Throws ERR_IO. */
  static async open(file: string): Promise<AppendedFile> {
    try {
      return new AppendedFile(file, await open(file, "a"));
    } catch (error) {
      throw ioError("Cannot write", file, error);
    }
  }

  /** Fulfilled when the operating system has it. After an error nothing more is written: that would leave a gap. */
  append(data: string | Buffer): Promise<void> {
    this.#last = this.#last.then(() => this.#write(data));
    // Whoever appends next, or closes, hears of it too.
    this.#last.catch(() => undefined);
    return this.#last;
  }

  /** Fulfilled when all is written. */
  async close(): Promise<void> {
    try {
      await this.#last;
    } finally {
      await this.#handle.close();
    }
  }

  async #write(data: string | Buffer): Promise<void> {
    try {
      await this.#handle.appendFile(data);
    } catch (error) {
      throw ioError("Cannot write", this.#file, error);
    }
  }
}
