import type { Writable } from "node:stream";

const WIDTH = 24;
const REDRAW_MS = 100; // faster than the eye follows would only cost time
const LINE_MS = 10_000;

/** Where progress is shown: a terminal says so. */
export type ProgressStream = Pick<Writable, "write"> & { isTTY?: boolean };

function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  const two = (n: number) => String(n).padStart(2, "0");
  const tail = two(whole % 60);
  return hours > 0 ? `${String(hours)}:${two(minutes % 60)}:${tail}` : `${String(minutes)}:${tail}`;
}

/** A progress bar: one line redrawn on a terminal, a line now and then elsewhere. */
export class Progress {
  readonly #title: string;
  readonly #total: number | undefined;
  readonly #stream: ProgressStream;
  readonly #now: () => number;
  readonly #start: number;
  #shown: number;
  #done = 0;
  #drawn = false;

  /**
   * @param title - what goes on
   * @param total - rows to come, where that is known
   * @param stream - where to show it
   * @param now - milliseconds; tests give another clock
   */
  constructor(
    title: string,
    total?: number,
    stream: ProgressStream = process.stderr,
    now: () => number = () => performance.now(),
  ) {
    this.#title = title;
    this.#total = total;
    this.#stream = stream;
    this.#now = now;
    this.#start = now();
    this.#shown = this.#start;
  }

  /** Counts `rows` more; `note` is shown behind the counts. */
  advance(rows: number, note = ""): void {
    this.#done += rows;
    const now = this.#now();
    const last = this.#done === this.#total;
    if (!last && now - this.#shown < (this.#stream.isTTY ? REDRAW_MS : LINE_MS)) return;
    this.#shown = now;
    const line = this.#line(now, note);
    this.#stream.write(this.#stream.isTTY ? `\r${line}\x1b[K` : `${line}\n`);
    this.#drawn = this.#stream.isTTY === true;
    if (last) this.end();
  }

  /** Leaves the line as it is; what is written then begins a new one. */
  end(): void {
    if (this.#drawn) this.#stream.write("\n");
    this.#drawn = false;
  }

  #line(now: number, note: string): string {
    const seconds = Math.max(now - this.#start, 1) / 1000;
    const rate = `${(this.#done / seconds).toPrecision(3)} rows/s`;
    const parts =
      this.#total === undefined
        ? [`${this.#title} ${String(this.#done)}`, note, rate, clock(seconds)]
        : [
            `${this.#title} ${this.#bar(this.#total)}`,
            note,
            rate,
            this.#time(this.#total, seconds),
          ];
    return parts.filter((part) => part !== "").join("  ");
  }

  #bar(total: number): string {
    const filled = Math.round(Math.min(1, this.#done / total) * WIDTH);
    return `${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${String(this.#done)}/${String(total)}`;
  }

  #time(total: number, seconds: number): string {
    const share = this.#done / total;
    return share < 1 ? `${clock(seconds / share - seconds)} left` : clock(seconds);
  }
}
