import { rank, type ScoreFunction } from "../../src/scores.cjs";

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
});
