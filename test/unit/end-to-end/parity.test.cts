import { readFileSync } from "node:fs";

import {
  Tensor,
  type BertCnnOptions,
  type TokenBatch,
  type TrainBatch,
} from "../../../src/index.cjs";
import { expectClose, load, parityFile } from "../support/models.cjs";
import { readSafetensors } from "../support/safetensors.cjs";

interface Case {
  name: string;
  model: string;
  options: {
    problem_type: BertCnnOptions["problemType"];
    padding: BertCnnOptions["padding"];
    freeze: BertCnnOptions["freeze"];
    dropout: number;
  };
  training: Record<
    | "learning_rate"
    | "head_learning_rate"
    | "weight_decay"
    | "beta1"
    | "beta2"
    | "epsilon"
    | "max_grad_norm",
    number
  >;
  steps: number;
}

const { cases } = JSON.parse(readFileSync(parityFile("manifest.json"), "utf8")) as {
  cases: Case[];
};

/** The bound of losses along the steps: float32's rounding, carried on by the optimizer. */
const STEP_BOUND = 1e-4;

describe("PyTorch's values", () => {
  it.each(cases)("$name: logits and the losses of its training steps", async (fixture) => {
    const { problem_type, padding, freeze, dropout } = fixture.options;
    const model = await load(fixture.model, {
      problemType: problem_type,
      padding,
      freeze,
      dropout,
    });
    const tensors = readSafetensors(parityFile(`${fixture.name}.safetensors`));
    const get = (name: string) => tensors.get(name)!;
    const int64 = (name: string) =>
      new Tensor("int64", get(name).data as BigInt64Array, get(name).dims);
    const tokens: TokenBatch = {
      inputIds: int64("input_ids"),
      attentionMask: int64("attention_mask"),
      tokenTypeIds: int64("token_type_ids"),
    };
    const { logits } = await model.predict(tokens);
    expect(logits.dims).toEqual(get("logits").dims);
    expectClose(logits.data, get("logits").data as Float32Array);
    expectClose(logits.data, get("logits64").data as Float64Array);

    const { training } = fixture;
    model.configureTraining({
      learningRate: training.learning_rate,
      headLearningRate: training.head_learning_rate,
      weightDecay: training.weight_decay,
      beta1: training.beta1,
      beta2: training.beta2,
      epsilon: training.epsilon,
      maxGradNorm: training.max_grad_norm,
    });
    const { data } = get("labels");
    const labels: TrainBatch["labels"] =
      data instanceof BigInt64Array ? Int32Array.from(data, Number) : (data as Float32Array);
    const expected = get("losses").data as Float32Array;
    for (let step = 0; step < fixture.steps; step++) {
      const { loss } = await model.trainStep({ tokens, labels });
      expect(Math.abs(loss / expected[step]! - 1)).toBeLessThan(STEP_BOUND);
    }
  });
});
