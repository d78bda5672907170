import { randomUUID } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";

import { BertCnnError } from "../errors.cjs";

/** What the file system refused, as an error of this library. */
export function ioError(what: string, file: string, cause: unknown): BertCnnError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new BertCnnError("ERR_IO", `${what} ${file}: ${code}`, { cause });
}

/**
 * Puts a file in place in one step, over one that is there: `write` fills a file beside it, which is then renamed.
 * Throws ERR_IO, and leaves what was there.
 */
export async function replaceFile(
  file: string,
  write: (aside: FileHandle) => Promise<void>,
): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    const handle = await open(aside, "wx");
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(aside, file);
  } catch (error) {
    await rm(aside, { force: true });
    throw ioError("Cannot write", file, error);
  }
}
