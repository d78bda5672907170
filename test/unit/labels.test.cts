import { readLabels, type LabelSpace, type ProblemType } from "../../src/labels.cjs";
import { expectError } from "./support/rejection.cjs";

const space = (problemType: ProblemType, count = 3): LabelSpace => ({
  problemType,
  labels: ["bad", "fair", "good"].slice(0, count),
});
const single = space("single_label_classification");
const multi = space("multi_label_classification");
const score = space("regression", 1);
const scores = space("regression", 2);

describe("labels of a single-label model", () => {
  it.each<[string, unknown]>([
    ["indices", [2, 0]],
    ["an Int32Array", Int32Array.of(2, 0)],
    ["names", ["good", "bad"]],
  ])("may be %s", (_, value) => {
    expect(readLabels(value, 2, single, "labels")).toEqual(Int32Array.of(2, 0));
  });

  it.each<[string, unknown, string[]]>([
    ["an index out of range", [0, 3], ["class index from 0 to 2 for labels[1] but received 3"]],
    ["a negative index", [-1, 0], ["labels[0]"]],
    ["a fraction", [0, 0.5], ["labels[1]"]],
    ["NaN", [NaN, 0], ["labels[0]"]],
    [
      "an unknown name",
      ["good", "great"],
      ['one of the labels "bad", "fair", "good" for labels[1]', "'great'"],
    ],
    ["too few", [1], ["Expected 2 entries in labels for 2 rows but received 1"]],
    ["too many", [1, 1, 1], ["received 3"]],
    ["floats", Float32Array.of(1, 0), ["array or Int32Array"]],
    ["rows", [[1], [0]], ["labels[0]"]],
  ])("are refused for %s", async (_, value, parts) => {
    await expectError(() => readLabels(value, 2, single, "labels"), "ERR_INVALID_LABELS", ...parts);
  });
});

describe("labels of a multi-label model", () => {
  it.each<[string, unknown]>([
    [
      "rows",
      [
        [0, 1, 0.5],
        [1, 0, 0],
      ],
    ],
    ["a Float32Array", Float32Array.of(0, 1, 0.5, 1, 0, 0)],
  ])("may be %s", (_, value) => {
    expect(readLabels(value, 2, multi, "labels")).toEqual(Float32Array.of(0, 1, 0.5, 1, 0, 0));
  });

  it("may be an Int32Array of zeros and ones", () => {
    expect(readLabels(Int32Array.of(0, 1, 1), 1, multi, "labels")).toEqual(
      Float32Array.of(0, 1, 1),
    );
  });

  it.each<[string, unknown, string[]]>([
    [
      "a row of the wrong width",
      [
        [0, 1, 0],
        [1, 0],
      ],
      ["array of 3 numbers for labels[1]"],
    ],
    [
      "a value above 1",
      [
        [0, 1, 0],
        [1, 0, 2],
      ],
      ["number from 0 to 1 for labels[1][2] but received 2"],
    ],
    [
      "NaN",
      [
        [0, 1, NaN],
        [1, 0, 0],
      ],
      ["labels[0][2]"],
    ],
    ["a flat array", [0, 1], ["array of 3 numbers for labels[0]"]],
    ["names", ["bad", "good"], ["array of 3 numbers for labels[0]"]],
    [
      "a short Float32Array",
      new Float32Array(5),
      ["Expected 6 entries in labels for 2 rows but received 5"],
    ],
    [
      "a value of a Float32Array",
      Float32Array.of(0, 0, 0, 0, -1, 0),
      ["labels[4] (row 1, label 1) but received -1"],
    ],
  ])("are refused for %s", async (_, value, parts) => {
    await expectError(() => readLabels(value, 2, multi, "labels"), "ERR_INVALID_LABELS", ...parts);
  });
});

describe("targets of a regression", () => {
  it.each<[string, unknown]>([
    ["numbers", [-2.5, 3]],
    ["a Float32Array", Float32Array.of(-2.5, 3)],
    ["rows of one", [[-2.5], [3]]],
  ])("with one label may be %s", (_, value) => {
    expect(readLabels(value, 2, score, "labels")).toEqual(Float32Array.of(-2.5, 3));
  });

  it("with two labels are rows", () => {
    expect(readLabels([[1, 2]], 1, scores, "labels")).toEqual(Float32Array.of(1, 2));
  });

  it.each<[string, unknown, string[]]>([
    ["NaN", [1, NaN], ["number that float32 can hold for labels[1] but received NaN"]],
    ["infinity", [-Infinity, 0], ["labels[0]"]],
    ["what float32 cannot hold", [0, 1e39], ["labels[1]"]],
    ["a name", [0, "good"], ["labels[1]"]],
    ["too few", [0], ["Expected 2 entries in labels for 2 rows but received 1"]],
    ["rows and numbers mixed", [[0], 1], ["array of 1 numbers for labels[1]"]],
  ])("are refused for %s", async (_, value, parts) => {
    await expectError(() => readLabels(value, 2, score, "labels"), "ERR_INVALID_LABELS", ...parts);
  });
});

it.each([undefined, null, "good", 3, new Set([1]), new Uint8Array(2)])(
  "labels are not %p",
  async (value) => {
    await expectError(
      () => readLabels(value, 2, single, "labels"),
      "ERR_INVALID_ARGUMENT",
      "for labels",
    );
  },
);
