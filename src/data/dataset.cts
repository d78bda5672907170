import { createHash } from "node:crypto";

import { unexpected } from "../check.cjs";
import type { BadRows } from "./bad-rows.cjs";
import { makeBatches, type BatchOptions, type ExampleBatch } from "./batches.cjs";
import {
  readDatasetOptions,
  readFileOptions,
  readFiles,
  type DatasetOptions,
  type FileDatasetOptions,
} from "./dataset-options.cjs";
import { elementAt } from "./element.cjs";
import type { Example } from "./example.cjs";
import { FileSource } from "./file-source.cjs";
import { LabelCounter, type LabelStatistics } from "./label-statistics.cjs";
import { MemorySource } from "./memory-source.cjs";
import { IN_ORDER, WINDOW, inOrder, type View } from "./order.cjs";
import { once, type Source } from "./source.cjs";
import { readSplitOptions, splitRows, type SplitOptions } from "./split.cjs";
import { StreamSource, isIterable } from "./stream-source.cjs";

/** Examples, or objects whose columns the options name. */
export type DataRows = Iterable<object> | AsyncIterable<object>;

/** What {@link Dataset.from} takes: rows, or a function that gives them anew for each pass. */
export type DataSource = DataRows | (() => DataRows | Promise<DataRows>);

/** What {@link Dataset.split} gives. */
export interface DatasetSplit {
  /** The rows to train on. */
  readonly train: Dataset;
  /** The rows to test on. */
  readonly test: Dataset;
}

/**
 * Texts with their labels: from memory, from files that are read as they are needed, or from a function. Nothing is
 * read before it is needed; then every row is checked once, before the first batch. `docs/data.md` is its guide.
 *
 * Any method that reads rejects with {@link BertCnnError} `ERR_INVALID_DATA` where a row is bad (unless
 * `onBadRow: "skip"`) or the data changed since they were first read, `ERR_FILE_NOT_FOUND` and `ERR_IO`. What an
 * iterator or a function of yours throws comes as it is.
 *
 * @example
 * ```ts
 * const data = Dataset.fromFile("reviews.csv", { textColumn: "review", labelNames: ["negative", "positive"] });
 * const { train, test } = await data.split({ testSize: 0.2, stratify: true });
 * for await (const { texts, labels } of train.batches({ batchSize: 32, shuffle: true, epoch: 1 })) {
 *   await model.trainStep({ texts, labels });
 * }
 * ```
 */
export class Dataset implements AsyncIterable<Example> {
  readonly #source: Source;
  readonly #view: View;
  readonly #statistics = once(() => this.#countLabels());
  readonly #fingerprint = once(() => this.#hash());

  private constructor(source: Source, view: View) {
    this.#source = source;
    this.#view = view;
  }

  /**
   * @param source - an array or (async) iterable, which is collected into memory when it is first needed; or a function
   * that returns a new one for each pass over the data, which are then never held as a whole
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`
   */
  static from(source: DataSource, options?: DatasetOptions): Dataset {
    if (typeof source === "function") {
      const { reader, onBadRow, shuffleBuffer } = readDatasetOptions(options, true);
      return new Dataset(new StreamSource(source, reader, onBadRow, shuffleBuffer), null);
    }
    if (!isIterable(source)) {
      throw unexpected("array, iterable, async iterable or function", "source", source);
    }
    const { reader, onBadRow } = readDatasetOptions(options, false);
    return new Dataset(new MemorySource(source, reader, onBadRow), null);
  }

  /**
   * @param file - a file, or several of one format whose rows follow one another. JSONL holds an object a line; CSV and
   * TSV name their columns in a header, unless `header: false`. UTF-8
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`
   */
  static fromFile(file: string | readonly string[], options?: FileDatasetOptions): Dataset {
    const files = readFiles(file);
    const { reader, onBadRow, format } = readFileOptions(options, files);
    return new Dataset(new FileSource(files, format, reader.numberColumns, onBadRow), null);
  }

  /** The number of rows, bad ones not counted. */
  async size(): Promise<number> {
    return this.#view?.length ?? (await this.#source.size());
  }

  /** The examples in the order of the data. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Example, void> {
    for await (const items of inOrder(this.#source, this.#view, IN_ORDER, WINDOW)) {
      for (const { example } of items) yield example;
    }
  }

  /**
   * The rows in batches, once. The order follows from `seed` and `epoch` alone and is the same on every machine; with
   * `skip` come exactly the batches that would have come after those. Leaving the loop closes files.
   *
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, at once
   */
  batches(options?: BatchOptions): AsyncGenerator<ExampleBatch, void> {
    return makeBatches(this.#source, this.#view, options);
  }

  /**
   * Two data sets without a row in common, on the same source: no text is copied. Both keep the order of the data.
   *
   * @throws {@link BertCnnError} `ERR_INVALID_ARGUMENT`, also where `stratify` meets labels that are no classes
   */
  async split(options?: SplitOptions): Promise<DatasetSplit> {
    const given = readSplitOptions(options);
    const statistics = given.stratify ? await this.#statistics() : null;
    const { train, test } = splitRows(await this.size(), given, statistics);
    return { train: this.#part(train), test: this.#part(test) };
  }

  /**
   * Rows by label, in the order of {@link labelNames}. A row with several labels counts for each; of an array of
   * numbers those that are not 0 count.
   */
  async classCounts(): Promise<ReadonlyMap<string, number>> {
    return new Map((await this.#statistics()).counts);
  }

  /**
   * The different labels: numbers in their order, strings by UTF-16 units. For arrays of numbers the names of their
   * columns, or their places, in the order of the array.
   */
  async labelNames(): Promise<string[]> {
    return [...(await this.#statistics()).counts.keys()];
  }

  /** The rows that `onBadRow: "skip"` left out of the whole source, also where this is a part of it. */
  async badRows(): Promise<BadRows> {
    return this.#source.badRows();
  }

  /**
   * SHA-256, in hexadecimal digits, over texts and labels in their order: the same for the same rows whatever they come
   * from.
   */
  async fingerprint(): Promise<string> {
    return this.#fingerprint();
  }

  #part(rows: Uint32Array): Dataset {
    const view = this.#view;
    return new Dataset(this.#source, view ? rows.map((row) => elementAt(view, row)) : rows);
  }

  async #countLabels(): Promise<LabelStatistics> {
    const counter = new LabelCounter(this.#source.labelColumns);
    for await (const example of this) counter.add(example);
    return counter.statistics;
  }

  async #hash(): Promise<string> {
    const hash = createHash("sha256");
    for await (const { text, label } of this) hash.update(`${JSON.stringify([text, label])}\n`);
    return hash.digest("hex");
  }
}
