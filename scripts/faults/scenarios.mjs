/**
 * What is done while something fails. Each scenario is made with `make(library, scratch)` and gives
 *
 * - `act`: the call; what it resolves with goes to `check`
 * - `changes`: whether it changes the model, so that it must not fail once that is done
 * - `check`: called after each call, `failed` if it rejected: throws where the call changed what it must not have
 *   changed, or where what comes next is not what it would be had the call not been made
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { root } from "../setup/project.mjs";

const MODEL = path.join(root, "test", "fixtures", "models", "tiny-bert");
const TEXTS = ["the movie was good", "not good, not bad", "bad"];
const LABELS = ["good", "good", "bad"];
const OPTIONS = { labels: ["bad", "good"], variant: "fine-tune", seed: 7, threads: 1 };

/** Bit for bit, so that -0 is not 0. */
function same(actual, expected, what) {
  assert.deepStrictEqual(Array.from(actual), Array.from(expected), what);
}

/** As float32 rounds, where rows share batches with others from call to call. */
function close(actual, expected, what) {
  assert.equal(actual.length, expected.length, what);
  const differ = actual.findIndex((value, i) => Math.abs(value - expected[i]) > 1e-5);
  assert.equal(differ, -1, what);
}

const load = ({ BertCnn }, options = {}) =>
  BertCnn.fromPretrained(MODEL, { ...OPTIONS, ...options });

/** A model, and the logits that it must keep giving. */
async function steady(library, options, texts = TEXTS, compare = same) {
  const model = await load(library, options);
  const { data } = (await model.predict(texts)).logits;
  return {
    model,
    check: async (failed, value) => {
      compare((await model.predict(texts)).logits.data, data, "the logits afterwards");
      if (!failed && value?.logits) compare(value.logits.data, data, "the logits");
    },
  };
}

/** Steps of a model that something fails in, beside those of a twin in which nothing does. */
const steps = (training, options) => async (library) => {
  const [model, twin] = [await load(library, options), await load(library, options)];
  for (const one of [model, twin]) one.configureTraining(training);
  const batch = { texts: TEXTS, ...(training.objective ? {} : { labels: LABELS }) };
  const compare = (step, expected) => {
    for (const key of ["step", "updated", "loss", "gradNorm"]) {
      assert.deepStrictEqual(step[key], expected[key], `${key} of the step`);
    }
    if (expected.logits) same(step.logits.data, expected.logits.data, "the logits of the step");
  };
  return {
    changes: true,
    act: () => model.trainStep(batch),
    check: async (failed, value) => {
      if (!failed) compare(value, await twin.trainStep(batch));
      compare(await model.trainStep(batch), await twin.trainStep(batch));
    },
    planted: () => twin.trainStep(batch), // as if a step that failed had been taken
  };
};

/** The files in a folder and what is in them. */
function contents(folder) {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(path.join(folder, name)))
          .digest("hex"),
      ]),
  );
}

export const SCENARIOS = {
  predict: async (library) => {
    const { model, check } = await steady(library);
    return { act: () => model.predict(TEXTS), check };
  },
  "predict, padded": async (library) => {
    const { model, check } = await steady(library, { padding: "include", numFilters: 4 });
    return { act: () => model.predict(TEXTS), check };
  },
  "predict, int8": async (library) => {
    const { model, check } = await steady(library, { dtype: "int8" });
    return { act: () => model.predict(TEXTS), check };
  },
  "predict, windows": async (library) => {
    const long = ["the movie was good ".repeat(9)];
    const { model, check } = await steady(library, { longText: "window", maxLength: 8 }, long);
    return { act: () => model.predict(long), check };
  },
  "predict, several workers": async (library) => {
    const threads = { workers: 2, perWorker: 1 };
    const { model, check } = await steady(library, { threads }, TEXTS, close);
    return { act: () => Promise.all(TEXTS.map((text) => model.predict(text))), check };
  },
  "predict, queue delay": async (library) => {
    const options = { maxQueueDelay: 5, maxBatchTokens: 64 };
    const { model, check } = await steady(library, options, TEXTS, close);
    return { act: () => Promise.all(TEXTS.map((text) => model.predict(text))), check };
  },
  explain: async (library) => {
    const { model, check } = await steady(library);
    return { act: () => model.explain(TEXTS), check };
  },
  "encode a batch": async ({ Tokenizer }) => {
    const tokenizer = await Tokenizer.fromPretrained(MODEL);
    const expected = await tokenizer.encodeBatch(TEXTS);
    return {
      act: () => tokenizer.encodeBatch(TEXTS),
      check: async (failed, value) => {
        if (!failed) assert.deepStrictEqual(value, expected);
        assert.deepStrictEqual(await tokenizer.encodeBatch(TEXTS), expected);
      },
    };
  },
  "load a tokenizer": async ({ Tokenizer }) => {
    const expected = (await Tokenizer.fromPretrained(MODEL)).encode(TEXTS[0]);
    return {
      act: () => Tokenizer.fromPretrained(MODEL),
      check: async (failed, value) => {
        const tokenizer = failed ? await Tokenizer.fromPretrained(MODEL) : value;
        assert.deepStrictEqual(tokenizer.encode(TEXTS[0]), expected);
      },
    };
  },
  load: async (library) => {
    const { model } = await steady(library);
    const { data } = (await model.predict(TEXTS)).logits;
    return {
      act: () => load(library),
      check: async (failed, value) => {
        const loaded = failed ? await load(library) : value;
        same((await loaded.predict(TEXTS)).logits.data, data, "the logits of what was loaded");
        await loaded.dispose();
      },
    };
  },
  "train step": steps({}),
  "train step, SGD": steps({ optimizer: "sgd", momentum: 0.9 }),
  "train step, Adafactor": steps({ optimizer: "adafactor" }),
  "train step, accumulated": steps({ gradientAccumulationSteps: 3 }),
  "train step, checkpointing": steps({ gradientCheckpointing: true }),
  "train step, padded": steps({}, { padding: "include" }),
  "train step, windows": steps({}, { longText: "window", maxLength: 8 }),
  "train step, feature cache": steps({ featureCache: true }, { variant: "frozen" }),
  "train step, masked tokens": steps({ objective: "masked-language-model" }),
  "configure training": async (library) => {
    const { model, check } = await steady(library);
    return {
      changes: true,
      act: async () => {
        model.configureTraining({});
        await model.parameterGroups(); // tells how that ended
      },
      check: async (failed, value) => {
        await check(failed, value);
        model.configureTraining({ learningRate: 0, headLearningRate: 0, weightDecay: 0 });
        await model.trainStep({ texts: TEXTS, labels: LABELS });
      },
    };
  },
  "set what is frozen": async (library) => {
    const { model, check } = await steady(library);
    model.configureTraining({});
    let frozen = "none";
    return {
      changes: true,
      act: async () => {
        const next = frozen === "none" ? "encoder" : "none";
        await model.setFreeze(next);
        frozen = next;
      },
      check: async (failed, value) => {
        await check(failed, value);
        const groups = await model.parameterGroups();
        const trains = groups.some(({ parameters }) =>
          parameters.some((name) => name.startsWith("bert.")),
        );
        assert.equal(trains, frozen === "none", "what is trained");
      },
    };
  },
  save: async (library, scratch) => {
    const { model, check } = await steady(library);
    const folder = path.join(scratch, "saved");
    await model.savePretrained(folder);
    const [expected, places] = [contents(folder), readdirSync(scratch)];
    return {
      act: () => model.savePretrained(folder),
      check: async (failed, value) => {
        assert.deepStrictEqual(contents(folder), expected, "what is on the disk");
        assert.deepStrictEqual(readdirSync(scratch), places, "what is beside it");
        await check(failed, value);
      },
    };
  },
  "save a training state": async (library, scratch) => {
    const { model, check } = await steady(library);
    model.configureTraining({});
    const file = path.join(scratch, "state.safetensors");
    await model.saveTrainingState(file);
    const expected = contents(scratch);
    return {
      act: () => model.saveTrainingState(file),
      check: async (failed, value) => {
        assert.deepStrictEqual(contents(scratch), expected, "what is on the disk");
        await check(failed, value);
      },
    };
  },
  "load a training state": async (library, scratch) => {
    const [model, other] = [await load(library), await load(library)];
    model.configureTraining({});
    const batch = { texts: TEXTS, labels: LABELS };
    const [old, stepped] = ["old", "stepped"].map((name) =>
      path.join(scratch, `${name}.safetensors`),
    );
    await model.saveTrainingState(old);
    const before = (await model.predict(TEXTS)).logits.data;
    await model.trainStep(batch);
    await model.saveTrainingState(stepped);
    const expected = (await model.predict(TEXTS)).logits.data;
    await other.loadTrainingState(old);
    return {
      changes: true,
      act: () => other.loadTrainingState(stepped),
      check: async (failed) => {
        const { data } = (await other.predict(TEXTS)).logits;
        same(data, failed ? before : expected, "the logits afterwards");
        await other.loadTrainingState(old);
      },
    };
  },
  "load a state dict": async (library, scratch) => {
    const { model } = await steady(library);
    const other = await load(library, { seed: 8 });
    const [old, next] = ["old", "next"].map((name) => path.join(scratch, `${name}.safetensors`));
    await model.saveStateDict(old);
    await other.saveStateDict(next);
    const before = (await model.predict(TEXTS)).logits.data;
    const expected = (await other.predict(TEXTS)).logits.data;
    return {
      changes: true,
      act: () => model.loadStateDict(next),
      check: async (failed) => {
        const { data } = (await model.predict(TEXTS)).logits;
        same(data, failed ? before : expected, "the logits afterwards");
        await model.loadStateDict(old);
      },
    };
  },
  dispose: async (library) => {
    let model = await load(library);
    return {
      changes: true,
      act: () => model.dispose(),
      check: async (failed) => {
        if (failed) await model.dispose();
        await assert.rejects(async () => model.predict(TEXTS), { code: "ERR_DISPOSED" });
        model = await load(library);
      },
    };
  },
};
