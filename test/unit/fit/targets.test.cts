import type { Label } from "../../../src/data/example.cjs";
import { toTargets } from "../../../src/fit/targets.cjs";
import type { LabelSpace } from "../../../src/labels.cjs";
import { expectError } from "../support/rejection.cjs";

const space = (problemType: LabelSpace["problemType"], ...labels: string[]) => ({
  problemType,
  labels,
});
const single = space("single_label_classification", "bad", "good");
const multi = space("multi_label_classification", "funny", "sad");
const scores = space("regression", "rating");

function targets(labels: Label[], of: LabelSpace) {
  return [...toTargets(labels, [...labels.keys()], of)];
}

/** Expects the second of two labels to be refused, by the place that it has in the data. */
function expectRefused(good: Label, label: Label, of: LabelSpace, ...parts: string[]) {
  const reading = () => toTargets([good, label], [4, 7], of);
  return expectError(reading, "ERR_INVALID_LABELS", "the label of row 7", ...parts);
}

describe("targets of a single label", () => {
  it("are from names and indices, also in text", () => {
    expect(targets(["good", "bad", 1, "0"], single)).toEqual([1, 0, 1, 0]);
  });

  it("take a name before an index", () => {
    expect(targets(["1", 1, "0"], space("single_label_classification", "1", "0"))).toEqual([
      0, 0, 1,
    ]);
  });

  it.each<[Label]>([["fair"], [2], [-1], [0.5], [""], [["good"]]])("are not from %j", (label) =>
    expectRefused("good", label, single, '"bad", "good"'),
  );
});

describe("targets of several labels", () => {
  it("are from names, from numbers, and from none", () => {
    expect(targets([["sad"], [], "funny", [1, 0.5]], multi)).toEqual([0, 1, 0, 0, 1, 0, 1, 0.5]);
  });

  it.each<[Label, string]>([
    [["angry"], "funny"],
    [[1], "2 numbers"],
    [[1, 2], "from 0 to 1"],
    [3, "2 numbers"],
  ])("are not from %j", (label, part) => expectRefused(["sad"], label, multi, part));
});

describe("scores", () => {
  it("are numbers, also in text, one a label", () => {
    expect(targets([1.5, "-2.5", [3]], scores)).toEqual([1.5, -2.5, 3]);
    expect(targets([[1, 2]], space("regression", "a", "b"))).toEqual([1, 2]);
  });

  it.each<[Label]>([["good"], [""], [NaN], [1e39], [[1, 2]]])("are not from %j", (label) =>
    expectRefused(1, label, scores),
  );
});
