import type { NativePrediction } from "../../src/native.cjs";
import { rank, type Ranking, type ScoreFunction } from "../../src/scores.cjs";

const labels = ["bad", "fair", "good"];
const prediction = {
  rows: 2,
  labels: 3,
  logits: Float32Array.of(1, 3, 2, 0, 0, 0),
  probabilities: Float32Array.of(0.125, 0.625, 0.25, 0.25, 0.25, 0.5),
  truncated: new Uint8Array(2),
};
const all = (apply: ScoreFunction) =>
  rank(prediction, labels, { apply, own: "softmax", topK: null });

describe("scores", () => {
  it("are the model's own probabilities where these are asked for, best first", () => {
    expect(all("softmax")).toEqual([
      [
        { label: "fair", score: 0.625 },
        { label: "good", score: 0.25 },
        { label: "bad", score: 0.125 },
      ],
      [
        { label: "good", score: 0.5 },
        { label: "bad", score: 0.25 },
        { label: "fair", score: 0.25 },
      ],
    ]);
  });

  it("are the logits with none", () => {
    expect(all("none")[0]).toEqual([
      { label: "fair", score: 3 },
      { label: "good", score: 2 },
      { label: "bad", score: 1 },
    ]);
  });

  it("are sigmoids of the logits where the model has softmax", () => {
    expect(all("sigmoid")[1]!.map(({ score }) => score)).toEqual([0.5, 0.5, 0.5]);
    expect(all("sigmoid")[0]![0]!.score).toBeCloseTo(1 / (1 + Math.exp(-3)), 12);
  });

  it("are softmaxes of the logits where the model has sigmoids, even of huge logits", () => {
    const huge = { ...prediction, rows: 1, logits: Float32Array.of(1000, 1000, -1000) };
    const [row] = rank(huge, labels, { apply: "softmax", own: "sigmoid", topK: null });
    expect(row!.map(({ score }) => score)).toEqual([0.5, 0.5, 0]);
  });

  it("are the logits for a regression, which has no probabilities", () => {
    const regression = { ...prediction, probabilities: null };
    const [row] = rank(regression, labels, { apply: "none", own: "none", topK: null });
    expect(row).toEqual([
      { label: "fair", score: 3 },
      { label: "good", score: 2 },
      { label: "bad", score: 1 },
    ]);
  });

  it("are cut to the best topK", () => {
    const rows = rank(prediction, labels, { apply: "softmax", own: "softmax", topK: 2 });
    expect(rows.map((row) => row.map(({ label }) => label))).toEqual([
      ["fair", "good"],
      ["good", "bad"],
    ]);
    expect(
      rank(prediction, labels, { apply: "softmax", own: "softmax", topK: 99 })[0],
    ).toHaveLength(3);
  });

  it("are of the logits divided by the temperature, but for none", () => {
    const calibrated = { ...prediction, calibration: { temperature: 2 } };
    const halved = { ...prediction, logits: prediction.logits.map((logit) => logit / 2) };
    const scores = (of: NativePrediction, apply: ScoreFunction, own: ScoreFunction) =>
      rank(of, labels, { apply, own, topK: null });
    for (const apply of ["softmax", "sigmoid"] as const) {
      const other = apply === "softmax" ? "sigmoid" : "softmax";
      expect(scores(calibrated, apply, apply)).toEqual(scores(halved, apply, other));
      expect(scores(calibrated, apply, other)).toEqual(scores(halved, apply, other));
      expect(scores(calibrated, "none", apply)).toEqual(scores(prediction, "none", apply));
    }
  });

  it("are the best one's where nothing else is asked for, all of a regression", () => {
    const count = (own: ScoreFunction) =>
      rank(prediction, labels, { apply: own, own }).map((row) => row.length);
    expect(count("softmax")).toEqual([1, 1]);
    expect(count("sigmoid")).toEqual([1, 1]);
    expect(count("none")).toEqual([3, 3]);
  });

  describe("with thresholds", () => {
    // Sigmoids of 0.5, 0.73 and 0.88, and three of 0.5.
    const logits = Float32Array.of(0, 2, 4, 0, 0, 0);
    const calibration = { temperature: 2, thresholds: [0.5, 0.8, 0.8] };
    const calibrated = { ...prediction, logits, calibration };
    const names = (ranking: Partial<Ranking>, of: NativePrediction = calibrated) =>
      rank(of, labels, { apply: "sigmoid", own: "sigmoid", ...ranking }).map((row) =>
        row.map(({ label }) => label),
      );

    it("are of the labels that reach theirs, possibly none", () => {
      expect(names({})).toEqual([["good", "bad"], ["bad"]]);
      const high = { ...calibration, thresholds: [0.6, 0.9, 0.9] };
      expect(names({}, { ...calibrated, calibration: high })).toEqual([[], []]);
      const alone = { ...calibrated, calibration: { thresholds: [0.6, 0.88, 0.9] } };
      expect(names({}, alone)).toEqual([["good", "fair"], []]);
    });

    it("are of the best topK where that is given", () => {
      expect(names({ topK: 2 })).toEqual([
        ["good", "fair"],
        ["bad", "fair"],
      ]);
      expect(names({ topK: null })[0]).toHaveLength(3);
    });

    it("are of the same labels whatever function makes the scores", () => {
      expect(names({ apply: "none" })).toEqual(names({}));
      expect(names({ apply: "softmax" })).toEqual(names({}));
    });
  });
});
