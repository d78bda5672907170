/** Studies of bertcnn by itself: what one option or another makes of real texts. */

/**
 * @typedef {object} Variant what differs from the first one of its study
 * @property {string} title
 * @property {import("../../dist/index.js").BertCnnOptions} [load]
 * @property {import("../../dist/index.js").FitOptions} [fit]
 * @property {import("../../dist/index.js").PretrainOptions} [pretrain] on all texts that are not tested
 */

/**
 * @typedef {object} Study
 * @property {string} set
 * @property {number} texts of it that are used
 * @property {number} testSize share of these
 * @property {number} epochs
 * @property {import("../../dist/index.js").BertCnnOptions} [load] of all variants
 * @property {Variant[]} variants by what the others are measured, first
 */

/** @type {Record<string, Study>} */
export const STUDIES = {
  head: {
    set: "movies",
    texts: 2000,
    testSize: 0.2,
    epochs: 3,
    variants: [
      { title: "ReLU, maximum, last layer" },
      { title: "GELU", load: { activation: "gelu" } },
      { title: "tanh", load: { activation: "tanh" } },
      { title: "gates (GLU)", load: { activation: "glu" } },
      { title: "mean", load: { pooling: "mean" } },
      { title: "maximum and mean", load: { pooling: "max-mean" } },
      { title: "3 largest", load: { pooling: "k-max" } },
      { title: "attention", load: { pooling: "attention" } },
      { title: "layer norm", load: { layerNorm: true } },
      { title: "mix of 4 layers", load: { hiddenLayers: 4, layerCombination: "mix" } },
      { title: "4 layers side by side", load: { hiddenLayers: 4, layerCombination: "concat" } },
      { title: "dropout 0.1 in place of 0.5", load: { dropout: 0.1 } },
      { title: "lower half frozen", load: { freeze: 3 } },
    ],
  },
  long: {
    set: "spam",
    texts: 1000,
    testSize: 0.75, // so that few are trained on, which takes long
    epochs: 2,
    load: { maxLength: 128 },
    variants: [
      { title: "truncated to 128 tokens" },
      { title: "windows of 128 tokens", load: { longText: "window" } },
    ],
  },
  pretrain: {
    set: "tweets",
    texts: 2000,
    testSize: 0.8, // where labels are few
    epochs: 3,
    variants: [
      { title: "fitted at once" },
      { title: "pre-trained for 3 epochs", pretrain: { epochs: 3 } },
    ],
  },
};
