import {
  explanationPage,
  formatExplanation,
  summarizeExplanations,
  type BertCnn,
  type BertCnnOptions,
  type Explanation,
} from "../../../src/index.cjs";
import { load } from "../support/models.cjs";
import { expectError, reasonOf } from "../support/rejection.cjs";

const texts = ["a good movie , really great plot", "bad", "the 😀 film is not awful !", ""];
const options: BertCnnOptions = { labels: ["bad", "fair", "good"], seed: 11, numFilters: 6 };

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function contributions(parts: readonly { contribution: number }[]): number[] {
  return parts.map(({ contribution }) => contribution);
}

/** Relative to the terms that are added: what cancels leaves their rounding. */
function expectSum(terms: readonly number[], total: number): void {
  const size = sum(terms.map(Math.abs));
  expect(Math.abs(sum(terms) - total)).toBeLessThanOrEqual(1e-6 * size);
}

async function explain(
  load_: BertCnnOptions,
  given?: Parameters<BertCnn["explain"]>[1],
): Promise<{ model: BertCnn; explanations: Explanation[]; logits: number[][] }> {
  const model = await load("tiny-bert", { ...options, ...load_ });
  const explanations = await model.explain(texts, given);
  const { logits } = await model.predict(texts);
  const rows = texts.map((_, i) => Array.from(logits.data.slice(3 * i, 3 * i + 3)));
  return { model, explanations, logits: rows };
}

describe("an explanation", () => {
  it.each([
    ["relu", {}],
    ["gelu", { activation: "gelu" }],
    ["tanh", { activation: "tanh" }],
    ["glu", { activation: "glu" }],
    ["fine-tune", { variant: "fine-tune" }],
    ["the mean of two layers", { hiddenLayers: 2 }],
    ["two layers side by side", { hiddenLayers: 2, layerCombination: "concat" }],
    ["bfloat16 or float32", { dtype: "auto" }],
    ["int8", { dtype: "int8" }],
  ] as const)("adds up to the logit: %s", async (_name, head) => {
    const { explanations, logits } = await explain(head, { label: "good" });
    for (const [i, explanation] of explanations.entries()) {
      const terms = [explanation.bias, ...contributions(explanation.ngrams)];
      expectSum(terms, explanation.logit);
      // What predict gives, in whatever precision the products are.
      expect(explanation.logits).toEqual(
        logits[i]!.map((logit) => expect.closeTo(logit, 5) as number),
      );
      expectSum(terms, explanation.logits[2]!);
      expect(explanation.ngrams.length).toBeGreaterThan(0);
      expect(sum(explanation.ngrams.map(({ filters }) => filters))).toBe(
        explanation.filters.filter(({ value }) => value !== 0).length,
      );
    }
  });

  it("adds up by token, too, behind ReLU", async () => {
    const { explanations } = await explain({}, { label: "fair" });
    for (const { tokens, tokenBias, logit } of explanations) {
      expectSum([tokenBias!, ...contributions(tokens!)], logit);
    }
    const { explanations: others } = await explain({ activation: "tanh" });
    expect(others[0]!.tokens).toBeNull();
    expect(others[0]!.tokenBias).toBeNull();
  });

  it("is of each text's best label, unless told otherwise", async () => {
    const { explanations, logits } = await explain({});
    for (const [i, { label, logit, against }] of explanations.entries()) {
      const best = logits[i]!.indexOf(Math.max(...logits[i]!));
      expect(label).toBe(options.labels![best]);
      expect(logit).toBeCloseTo(logits[i]![best]!, 5);
      expect(against).toBeNull();
    }
  });

  it("explains the difference of two labels", async () => {
    const { explanations, logits } = await explain({}, { label: "good", against: "bad" });
    for (const [i, { logit, ngrams, bias, against }] of explanations.entries()) {
      expect(against).toBe("bad");
      expect(logit).toBeCloseTo(logits[i]![2]! - logits[i]![0]!, 5);
      expectSum([bias, ...contributions(ngrams)], logit);
    }
  });

  it("names the pieces of the text in UTF-16 units", async () => {
    const { explanations } = await explain({});
    const { text, ngrams, tokens, filters } = explanations[2]!;
    expect(tokens!.map(({ token }) => token)).toEqual(
      expect.arrayContaining(["[CLS]", "[UNK]", "film", "[SEP]"]),
    );
    const unknown = tokens!.find(({ token }) => token === "[UNK]")!;
    expect(text.slice(unknown.start, unknown.end)).toBe("😀");
    for (const ngram of ngrams.filter(({ end }) => end > 0)) {
      expect(ngram.text).toBe(text.slice(ngram.start, ngram.end));
    }
    for (const { firstToken, kernelSize, text: piece } of filters) {
      const window = tokens!.slice(firstToken, firstToken + kernelSize);
      const last = window.findLast(({ end }) => end > 0);
      if (last !== undefined) expect(piece.endsWith(text.slice(last.start, last.end))).toBe(true);
    }
  });

  it("says what the logit would be without an n-gram: each filter's next best window", async () => {
    const { explanations } = await explain({ filterSizes: [1], numFilters: 1 }, { label: "bad" });
    for (const { ngrams, tokens, logit, filters } of explanations) {
      const [ngram] = ngrams;
      if (ngram === undefined) continue;
      const { value, contribution } = filters[0]!;
      const weight = contribution / value;
      expect(ngram.tokens).toEqual([tokens![ngram.firstToken]!.token]);
      // The next best value is between nothing and the best.
      const next = value + (ngram.without - logit) / weight;
      expect(next).toBeGreaterThanOrEqual(-1e-9);
      expect(next).toBeLessThanOrEqual(value + 1e-9);
    }
  });

  it("says that a text was cut", async () => {
    const { explanations } = await explain({ maxLength: 6 });
    expect(explanations.map(({ truncated }) => truncated)).toEqual([true, false, true, false]);
    expect(explanations[0]!.tokens).toHaveLength(6);
  });

  it("refuses labels that the model does not have, and heads that do not add up", async () => {
    const model = await load("tiny-bert", options);
    await expectError(model.explain("good", { label: "best" }), "ERR_INVALID_ARGUMENT", '"best"');
    const same = { label: "good", against: "good" };
    await expectError(model.explain("good", same), "ERR_INVALID_ARGUMENT", "two labels");
    for (const head of [{ pooling: "mean" }, { layerNorm: true }] as const) {
      const other = await load("tiny-bert", { ...options, ...head });
      await expectError(other.explain("good"), "ERR_UNSUPPORTED_CONFIG", "pooling 'max'");
    }
    const aborted = AbortSignal.abort(new Error("enough"));
    expect(await reasonOf(model.explain("good", { signal: aborted }))).toEqual(new Error("enough"));
    expect(await model.explain([])).toEqual([]);
  });
});

describe("explanations for people", () => {
  it("are lines for a terminal, with and without colours", async () => {
    const { explanations } = await explain({}, { label: "good", against: "bad" });
    const plain = formatExplanation(explanations[0]!, { color: false, top: 2 });
    const lines = plain.split("\n");
    expect(lines[0]).toBe(texts[0]);
    expect(lines[1]).toMatch(/^good rather than bad: [+−]\d/);
    expect(lines.at(-1)).toMatch(/bias$/);
    expect(lines.at(-2)).toMatch(/ others$/);
    expect(plain).not.toContain("\u001b");
    // Colours add nothing but themselves.
    const colored = formatExplanation(explanations[0]!, { top: 2 });
    expect(colored).toContain("\u001b[48;5;");
    // eslint-disable-next-line no-control-regex -- they are what is taken out
    expect(colored.replace(/\u001b\[[\d;]*m/g, "")).toBe(plain);
  });

  it("show what steers a terminal or a page without obeying it", async () => {
    const model = await load("tiny-bert", options);
    const hostile = "good \u001b[2J\u202e <script>alert(1)</script>";
    const explanations = await model.explain([hostile]);
    const steers = /[\u001b\u202e]/; // eslint-disable-line no-control-regex -- that is what it is about
    expect(formatExplanation(explanations[0]!, { color: false })).not.toMatch(steers);
    const page = explanationPage(explanations);
    expect(page).not.toContain("<script");
    expect(page).not.toMatch(steers);
  });

  it("are a page whose tables add up", async () => {
    const { explanations } = await explain({}, { label: "good" });
    const page = explanationPage(explanations, { title: "Why <good>?" });
    expect(page).toContain("<title>Why &lt;good&gt;?</title>");
    // What a reader adds up: the numbers as they are shown.
    const tables = page.match(/<table>.*?<\/table>/gs)!;
    expect(tables).toHaveLength(2 * explanations.length);
    for (const [i, one] of tables.entries()) {
      const rows = one.match(/<tr>.*?<\/tr>/gs)!.slice(1);
      const adds = rows.map((row) => {
        const cells = [...row.matchAll(/<td[^>]*>(.*?)<\/td>/gs)].map(([, cell]) => cell!);
        const cell = cells.length > 1 ? cells[2]! : cells[0]!;
        return Math.round(1e4 * Number(cell.replace(/<\/?b>/g, "").replace("−", "-")));
      });
      expect(adds.at(-1)).toBe(Math.round(1e4 * explanations[Math.floor(i / 2)]!.logit));
      expect(sum(adds.slice(0, -1))).toBe(adds.at(-1));
    }
  });

  it("have a summary over many texts", async () => {
    const model = await load("tiny-bert", { ...options, filterSizes: [1] });
    const some = ["good good movie", "GOOD film", "awful"];
    const explanations = await model.explain(some, { label: "good" });
    const { labels, filters } = summarizeExplanations(explanations, { top: 3 });
    expect(Object.keys(labels)).toEqual(["good"]);
    const both = [...labels["good"]!.for, ...labels["good"]!.against];
    expect(both.every(({ text }) => text === text.toLowerCase())).toBe(true);
    for (const { text, texts: count, contribution } of both) {
      const own = explanations.map(({ ngrams }) =>
        contributions(ngrams.filter((ngram) => ngram.text.toLowerCase() === text)),
      );
      const containing = own.filter((list) => list.length > 0);
      expect(count).toBe(containing.length);
      expect(contribution).toBeCloseTo(sum(containing.flat()) / count, 10);
    }
    expect(filters).toHaveLength(6);
    for (const { filter, ngrams } of filters) {
      const values = explanations.map(({ filters: all }) => all[filter]!.value);
      expect(ngrams[0]?.value ?? 0).toBe(Math.max(...values));
    }
  });
});
