import { Progress } from "../../../src/fit/progress.cjs";

/** A stream that keeps what is written, and a clock that is set by hand. */
function shown(isTTY: boolean, total?: number) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const stream = { isTTY, write: (text: string) => written.push(text) > 0 };
  const progress = new Progress("training", total, stream, () => clock.ms);
  return { written, clock, progress };
}

describe("the progress bar", () => {
  it("writes whole lines elsewhere than on a terminal, now and then and at the end", () => {
    const { written, clock, progress } = shown(false, 10);
    clock.ms = 9000;
    progress.advance(3);
    expect(written).toEqual([]);
    clock.ms = 10_000;
    progress.advance(2, "loss 1.00");
    clock.ms = 20_000;
    progress.advance(5);
    progress.end();
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(
      /^training █+░+ 5\/10 {2}loss 1\.00 {2}0\.500 rows\/s {2}0:10 left\n$/,
    );
    expect(written[1]).toMatch(/^training █+ 10\/10 {2}0\.500 rows\/s {2}0:20\n$/);
  });

  it("redraws one line on a terminal, ten times a second at most, and ends it", () => {
    const { written, clock, progress } = shown(true, 4);
    clock.ms = 50;
    progress.advance(1);
    clock.ms = 100;
    progress.advance(1);
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(/^\rtraining █+░+ 2\/4 /);
    expect(written[0]!.endsWith("\x1b[K")).toBe(true);
    progress.end();
    progress.end();
    expect(written.slice(1)).toEqual(["\n"]);
  });

  it("ends its line at the last row by itself", () => {
    const { written, progress } = shown(true, 4);
    progress.advance(4);
    expect(written.at(-1)).toBe("\n");
  });

  it("counts where the total is not known, and tells hours", () => {
    const { written, clock, progress } = shown(false);
    clock.ms = 3_725_000;
    progress.advance(7);
    expect(written[0]).toMatch(/^training 7 {2}\S+ rows\/s {2}1:02:05\n$/);
  });
});
