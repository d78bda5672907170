import { readFileSync } from "node:fs";
import path from "node:path";

import {
  initialPlateau,
  isPlateauState,
  nextPlateau,
  readPlateau,
  type PlateauState,
  type ReduceOnPlateau,
} from "../../../src/fit/plateau.cjs";

interface Case {
  readonly options: ReduceOnPlateau;
  readonly lower: boolean;
  readonly values: number[];
  readonly scales: number[];
}

const file = path.join(__dirname, "../../fixtures/plateau.json");
const cases = JSON.parse(readFileSync(file, "utf8")) as Case[];

function follow(values: readonly number[], lower: boolean, options: ReduceOnPlateau) {
  const settings = readPlateau(options, "options");
  const states: PlateauState[] = [];
  let state = initialPlateau;
  for (const value of values) states.push((state = nextPlateau(state, value, lower, settings)));
  return states;
}

describe("reduceOnPlateau", () => {
  it.each(cases)("is PyTorch's with $options, less is better: $lower", (one) => {
    const states = follow(one.values, one.lower, one.options);
    expect(one.scales.at(-1)).toBeLessThan(1);
    for (const [i, { scale }] of states.entries()) expect(scale).toBeCloseTo(one.scales[i]!, 12);
  });

  it("takes what is no number as no better", () => {
    const states = follow([NaN, 2, NaN, 1, 3], true, { patience: 0, factor: 0.5 });
    expect(states.map(({ scale }) => scale)).toEqual([0.5, 0.5, 0.25, 0.25, 0.125]);
    expect(states.at(-1)!.best).toBe(1);
  });

  it.each([
    [{ factor: 0 }, "options.factor"],
    [{ factor: 1 }, "options.factor"],
    [{ patience: -1 }, "options.patience"],
    [{ threshold: -1 }, "options.threshold"],
    [{ cooldown: 0.5 }, "options.cooldown"],
    [{ minScale: 2 }, "options.minScale"],
    [{ minLr: 1 }, "minLr"],
    [null, "options"],
  ])("%j is refused", (options, name) => {
    expect(() => readPlateau(options, "options")).toThrow(name);
  });

  it.each([
    [initialPlateau, true],
    [{ ...initialPlateau, best: 0.5 }, true],
    [{ ...initialPlateau, best: "0.5" }, false],
    [{ ...initialPlateau, bad: -1 }, false],
    [{ ...initialPlateau, cooldown: 0.5 }, false],
    [{ ...initialPlateau, scale: 2 }, false],
    [null, false],
  ])("%j is a state: %j", (value, is) => {
    expect(isPlateauState(value)).toBe(is);
  });
});
