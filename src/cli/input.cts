import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { Readable } from "node:stream";

import { RowProblem } from "../data/bad-rows.cjs";
import { delimited } from "../data/delimited.cjs";
import type { FileFormat, Parsed } from "../data/file-format.cjs";
import { jsonl, decode, orProblem } from "../data/jsonl.cjs";
import { RecordSplitter } from "../data/record-splitter.cjs";
import { TextReader, type Column } from "../data/row-reader.cjs";
import { BertCnnError } from "../errors.cjs";

/** How the rows of an input are written. */
export type InputFormat = "jsonl" | "csv" | "tsv" | "text";

/** A row's text, or what is wrong with it. */
export type TextRow = { readonly text: string } | { readonly line: number; readonly error: string };

/** Options of {@link readTexts}. */
export interface InputOptions {
  readonly format: InputFormat | undefined;
  readonly textColumn: Column | undefined;
  readonly header: boolean;
}

const ENDINGS: Readonly<Record<string, InputFormat>> = {
  jsonl: "jsonl",
  ndjson: "jsonl",
  csv: "csv",
  tsv: "tsv",
  txt: "text",
};

/** The format that a file's ending names; standard input, `-`, has JSON lines. */
export function formatOf(file: string): InputFormat {
  if (file === "-") return "jsonl";
  const ending = /\.(\w+)$/.exec(file)?.[1]?.toLowerCase() ?? "";
  const format = ENDINGS[ending];
  if (format !== undefined) return format;
  throw new BertCnnError(
    "ERR_INVALID_ARGUMENT",
    `Expected a file that ends in .jsonl, .ndjson, .csv, .tsv or .txt, or --format, but received '${file}'`,
  );
}

/** A text a line. */
const lines: FileFormat = {
  quotedBy: null,
  parser: () => ({
    parse: (records): Parsed[] =>
      records.map(({ bytes }) => orProblem(() => ({ text: decode(bytes), label: "" }))),
  }),
};

function fileFormat(format: InputFormat, { textColumn, header }: InputOptions): FileFormat {
  const reader = new TextReader(textColumn);
  switch (format) {
    case "jsonl":
      return jsonl(reader);
    case "csv":
      return delimited(reader, { delimiter: ",", quote: true, header });
    case "tsv":
      return delimited(reader, { delimiter: "\t", quote: false, header });
    case "text":
      return lines;
  }
}

async function openInput(file: string): Promise<Readable> {
  if (file === "-") return process.stdin;
  try {
    if ((await stat(file)).isDirectory()) throw new Error("it is a directory");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new BertCnnError("ERR_FILE_NOT_FOUND", `Cannot read ${file}: ${code ?? message}`, {
      cause: error,
    });
  }
  return createReadStream(file);
}

/**
 * The texts of a file, or of standard input, as they come: none is held longer than it takes to hand it over. Throws
 * ERR_FILE_NOT_FOUND, ERR_IO, ERR_INVALID_ARGUMENT, and ERR_INVALID_DATA where the header is wrong.
 */
export async function* readTexts(file: string, options: InputOptions): AsyncGenerator<TextRow> {
  const format = fileFormat(options.format ?? formatOf(file), options);
  const name = file === "-" ? "standard input" : file;
  const parser = format.parser(name);
  const splitter = new RecordSplitter(name, format.quotedBy, 0);
  let begun = false;
  for await (const chunk of await openInput(file)) {
    const piece = Buffer.from(chunk as Buffer);
    yield* rowsOf(splitter.push(begun ? piece : withoutMark(piece)));
    begun = true;
  }
  yield* rowsOf(splitter.end());

  function* rowsOf(records: ReturnType<RecordSplitter["push"]>): Generator<TextRow> {
    for (const [i, parsed] of parser.parse(records).entries()) {
      if (parsed === null) continue;
      if (parsed instanceof RowProblem) {
        yield { line: records[i]?.line ?? 0, error: parsed.message };
      } else yield { text: parsed.text };
    }
  }
}

/** Without the byte order mark of UTF-8. */
function withoutMark(bytes: Buffer): Buffer {
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return marked ? bytes.subarray(3) : bytes;
}
