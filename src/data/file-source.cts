import type { FileHandle } from "node:fs/promises";

import { BadRowCounter, type BadRows, type OnBadRow } from "./bad-rows.cjs";
import { DataFile } from "./data-file.cjs";
import { elementAt } from "./element.cjs";
import type { Example } from "./example.cjs";
import type { FileFormat } from "./file-format.cjs";
import { once, type RandomReader, type RandomSource } from "./source.cjs";

/** Rows of one or several files, one after another. */
export class FileSource implements RandomSource {
  readonly access = "random";
  readonly labelColumns: readonly string[] | null;
  readonly #bad: BadRowCounter;
  readonly #indexed: () => Promise<readonly DataFile[]>;

  constructor(
    names: readonly string[],
    format: FileFormat,
    labelColumns: readonly string[] | null,
    onBadRow: OnBadRow,
  ) {
    this.labelColumns = labelColumns;
    this.#bad = new BadRowCounter(onBadRow);
    this.#indexed = once(async () => {
      const files: DataFile[] = [];
      for (const name of names) files.push(await DataFile.index(name, format, this.#bad));
      return files;
    });
  }

  async size(): Promise<number> {
    const files = await this.#indexed();
    return files.reduce((sum, file) => sum + file.rows, 0);
  }

  async badRows(): Promise<BadRows> {
    await this.#indexed();
    return this.#bad.rows;
  }

  async open(): Promise<RandomReader> {
    return new FilesReader(await this.#indexed());
  }
}

/** Opens each file when a row of it is first asked for. */
class FilesReader implements RandomReader {
  readonly #files: readonly DataFile[];
  readonly #handles = new Map<DataFile, FileHandle>();

  constructor(files: readonly DataFile[]) {
    this.#files = files;
  }

  async read(rows: ArrayLike<number>): Promise<Example[]> {
    const wanted = Array.from(rows);
    const examples: Example[] = [];
    let first = 0;
    for (const file of this.#files) {
      const start = first;
      const places = [...wanted.keys()].filter((place) => {
        const row = elementAt(wanted, place) - start;
        return row >= 0 && row < file.rows;
      });
      first += file.rows;
      if (places.length === 0) continue;
      const inFile = places.map((place) => elementAt(wanted, place) - start);
      const read = await file.read(await this.#handle(file), inFile);
      places.forEach((place, i) => (examples[place] = elementAt(read, i)));
    }
    return examples;
  }

  async #handle(file: DataFile): Promise<FileHandle> {
    let handle = this.#handles.get(file);
    if (!handle) {
      handle = await file.open();
      this.#handles.set(file, handle);
    }
    return handle;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#handles.values()].map((handle) => handle.close()));
    this.#handles.clear();
  }
}
