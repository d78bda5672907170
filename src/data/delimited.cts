import { parse as parseCsv } from "csv-parse/sync";

import { BertCnnError } from "../errors.cjs";
import { RowProblem } from "./bad-rows.cjs";
import type { FileFormat, FileParser, Parsed } from "./file-format.cjs";
import { decode, orProblem } from "./jsonl.cjs";
import { elementAt } from "./element.cjs";
import type { RawRecord } from "./record-splitter.cjs";
import type { Column, Row, ExampleReader } from "./row-reader.cjs";

/** How fields lie in a record of CSV or TSV. */
export interface Dialect {
  readonly delimiter: string;
  /** Whether `"` encloses fields (RFC 4180); else it is a character like any other. */
  readonly quote: boolean;
  /** Whether the first record names the columns. */
  readonly header: boolean;
}

type Fields = readonly string[];

const LINE_BREAK = Buffer.from("\n");

function parseQuoted(bytes: Buffer, delimiter: string): string[][] {
  return parseCsv(bytes, {
    delimiter,
    record_delimiter: ["\r\n", "\n"],
    // The number of fields is compared here, where the record's line is known.
    relax_column_count: true,
  });
}

function quotedFields(bytes: Buffer, delimiter: string): Fields {
  decode(bytes);
  let records: string[][];
  try {
    records = parseQuoted(bytes, delimiter);
  } catch (cause) {
    // Its line would be that in the record, so the rest of the message is left out.
    const [what = ""] = (cause as Error).message.split(":");
    throw new RowProblem(null, `Expected fields as in RFC 4180 but received: ${what}`, { cause });
  }
  return records[0] as Fields;
}

/** The fields of records in one go, which is thrice as fast as one by one; `null` where any is not as it should be. */
function allQuotedFields(records: readonly RawRecord[], delimiter: string): Fields[] | null {
  const bytes = Buffer.concat(records.flatMap((record) => [record.bytes, LINE_BREAK]));
  try {
    decode(bytes);
    const fields = parseQuoted(bytes, delimiter);
    return fields.length === records.length ? fields : null;
  } catch {
    return null;
  }
}

function allFields(records: readonly RawRecord[], dialect: Dialect): (Fields | RowProblem)[] {
  const { delimiter, quote } = dialect;
  if (!quote) {
    return records.map(({ bytes }) => orProblem(() => decode(bytes).split(delimiter)));
  }
  return (
    allQuotedFields(records, delimiter) ??
    records.map(({ bytes }) => orProblem(() => quotedFields(bytes, delimiter)))
  );
}

/** Where the columns of a file are. */
class Layout {
  readonly width: number;
  readonly #names: Fields;

  /** @param header - names of the columns, or the fields of the first row where there is no header */
  constructor(header: Fields) {
    this.#names = header;
    this.width = header.length;
  }

  has(column: Column): boolean {
    if (typeof column === "number") return column < this.width;
    const place = this.#names.indexOf(column);
    if (place >= 0 && this.#names.includes(column, place + 1)) {
      throw new RowProblem(column, "Expected the column once in the header but it is there twice");
    }
    return place >= 0;
  }

  row(fields: Fields): Row {
    if (fields.length !== this.width) {
      const count = `${String(this.width)} fields but received ${String(fields.length)}`;
      throw new RowProblem(null, `Expected ${count}`);
    }
    return {
      has: (column) => this.has(column),
      cell: (column) => fields[typeof column === "number" ? column : this.#names.indexOf(column)],
    };
  }
}

class DelimitedParser implements FileParser {
  readonly #file: string;
  readonly #reader: ExampleReader;
  readonly #dialect: Dialect;
  #layout: Layout | undefined;

  constructor(file: string, reader: ExampleReader, dialect: Dialect) {
    this.#file = file;
    this.#reader = reader;
    this.#dialect = dialect;
  }

  parse(records: readonly RawRecord[]): Parsed[] {
    return allFields(records, this.#dialect).map((fields, i) => {
      if (this.#layout === undefined && this.#dialect.header) {
        this.#layout = this.#readHeader(fields, elementAt(records, i).line);
        return null;
      }
      if (fields instanceof RowProblem) return fields;
      return orProblem(() => this.#reader.read(this.#rowOf(fields)));
    });
  }

  /** Without a header the first row that has the columns tells how many there are. */
  #rowOf(fields: Fields): Row {
    if (this.#layout) return this.#layout.row(fields);
    const layout = new Layout(fields);
    const row = layout.row(fields);
    this.#reader.columns(row);
    this.#layout = layout;
    return row;
  }

  /** A header that is wrong spoils every row, so it is never skipped. */
  #readHeader(fields: Fields | RowProblem, line: number): Layout {
    const problem = orProblem(() => {
      if (fields instanceof RowProblem) throw fields;
      const layout = new Layout(fields);
      this.#reader.columns(layout.row(fields));
      return layout;
    });
    if (!(problem instanceof RowProblem)) return problem;
    const names = fields instanceof RowProblem ? "" : `; the header is ${JSON.stringify(fields)}`;
    throw new BertCnnError(
      "ERR_INVALID_DATA",
      `${this.#file}:${String(line)}: ${problem.message}${names}`,
      { cause: problem },
    );
  }
}

/** CSV or TSV. */
export function delimited(reader: ExampleReader, dialect: Dialect): FileFormat {
  return {
    quotedBy: dialect.quote ? dialect.delimiter : null,
    parser: (file) => new DelimitedParser(file, reader, dialect),
  };
}
