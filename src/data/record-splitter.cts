import { BertCnnError } from "../errors.cjs";

/** The bytes of a file's record, without the line break that ends it. */
export interface RawRecord {
  /** Where it begins in the file, in bytes. */
  readonly offset: number;
  /** The line on which it begins, from 1. */
  readonly line: number;
  readonly bytes: Buffer;
}

/** A longer one is a mistake, mostly a quote that is not closed; without a limit it would take all memory. */
export const MAX_RECORD_BYTES = 16 * 2 ** 20;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;
const QUOTE = 34;

/**
 * Finds the end of a record in a file with quotes (RFC 4180): line breaks between quotes belong to the record. Only a
 * quote at the beginning of a field opens; so a stray one in a field spoils its own record and not those that follow.
 */
class QuotedScanner {
  readonly #delimiter: number;
  #state: "field start" | "plain" | "quoted" | "quote in quoted" = "field start";

  constructor(delimiter: number) {
    this.#delimiter = delimiter;
  }

  /** The place of the line feed that ends the record, from `start` on; -1 where it is not in `bytes`. */
  find(bytes: Buffer, start: number): number {
    for (let i = start; i < bytes.length; i++) {
      const byte = bytes[i];
      if (this.#state === "quoted") {
        if (byte === QUOTE) this.#state = "quote in quoted";
      } else if (byte === LINE_FEED) {
        this.#state = "field start";
        return i;
      } else if (byte === QUOTE && this.#state !== "plain") {
        this.#state = "quoted";
      } else {
        this.#state = byte === this.#delimiter ? "field start" : "plain";
      }
    }
    return -1;
  }
}

class LineScanner {
  find(bytes: Buffer, start: number): number {
    return bytes.indexOf(LINE_FEED, start);
  }
}

function lineFeeds(bytes: Buffer): number {
  let count = 0;
  for (let i = bytes.indexOf(LINE_FEED); i >= 0; i = bytes.indexOf(LINE_FEED, i + 1)) count++;
  return count;
}

/** Cuts a file, given piece by piece, into records. Lines end with LF or CRLF; empty ones are no records. */
export class RecordSplitter {
  readonly #scanner: QuotedScanner | LineScanner;
  readonly #name: string;
  #offset: number;
  #line = 1;
  /** What begins at `offset` and has no end yet. */
  #rest: Buffer = Buffer.alloc(0);

  /**
   * @param name - of the file, for errors
   * @param quotedBy - the delimiter of fields where they may be quoted, else `null`
   * @param offset - of the first byte in the file
   */
  constructor(name: string, quotedBy: string | null, offset: number) {
    this.#name = name;
    this.#scanner =
      quotedBy === null ? new LineScanner() : new QuotedScanner(quotedBy.charCodeAt(0));
    this.#offset = offset;
  }

  /** The records that end in `piece`. They share its memory. */
  push(piece: Buffer): RawRecord[] {
    const records: RawRecord[] = [];
    let scanned = this.#rest.length;
    const bytes = scanned === 0 ? piece : Buffer.concat([this.#rest, piece]);
    let start = 0;
    for (;;) {
      const end = this.#scanner.find(bytes, scanned);
      if (end < 0) break;
      this.#add(records, bytes.subarray(start, end));
      this.#offset += 1;
      this.#line += 1;
      start = scanned = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > MAX_RECORD_BYTES) this.#refuse();
    return records;
  }

  /** The last record where no line break ends it. */
  end(): RawRecord[] {
    const records: RawRecord[] = [];
    this.#add(records, this.#rest);
    return records;
  }

  #add(records: RawRecord[], line: Buffer): void {
    const bytes = line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
    if (bytes.length > 0) records.push({ offset: this.#offset, line: this.#line, bytes });
    this.#offset += line.length;
    this.#line += lineFeeds(line);
  }

  #refuse(): never {
    throw new BertCnnError(
      "ERR_INVALID_DATA",
      `${this.#name}:${String(this.#line)}: Expected a record of at most ${String(MAX_RECORD_BYTES)} bytes but it ` +
        "is longer; is a quote not closed?",
    );
  }
}
