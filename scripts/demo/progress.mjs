// A progress bar: one line redrawn on a terminal, a line now and then elsewhere.

const WIDTH = 24;
const REDRAW_MS = 100; // faster than the eye follows would only cost time
const LINE_MS = 10_000;

export class Progress {
  /**
   * @param {string} title
   * @param {number} total  texts to come
   * @param {NodeJS.WriteStream} stream
   */
  constructor(title, total, stream = process.stdout) {
    this.title = title;
    this.total = total;
    this.stream = stream;
    this.done = 0;
    this.start = performance.now();
    this.shown = this.start;
  }

  /**
   * @param {number} texts  done since the last call
   * @param {string} note   shown behind the counts
   */
  advance(texts, note = "") {
    this.done += texts;
    const now = performance.now();
    const last = this.done >= this.total;
    if (!last && now - this.shown < (this.stream.isTTY ? REDRAW_MS : LINE_MS)) return;
    this.shown = now;
    this.stream.write(
      this.stream.isTTY ? `\r${this.#line(now, note)}\x1b[K` : `${this.#line(now, note)}\n`,
    );
    if (last && this.stream.isTTY) this.stream.write("\n");
  }

  /**
   * @param {number} now
   * @param {string} note
   */
  #line(now, note) {
    const seconds = (now - this.start) / 1000;
    const share = this.done / this.total;
    const filled = Math.round(share * WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(WIDTH - filled);
    const rate = `${Math.round(this.done / seconds)} texts/s`;
    const time = share < 1 ? `${clock(seconds / share - seconds)} left` : clock(seconds);
    return [`${this.title} ${bar} ${this.done}/${this.total}`, note, rate, time]
      .filter((part) => part !== "")
      .join("  ");
  }
}

/** @param {number} seconds */
function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
