/**
 * The floating-point operations of matrix products in one pass: a multiplication and an addition count two. Only
 * real tokens count, whatever a system computes for its padding; embeddings, norms and activations do not.
 */

/**
 * @typedef {object} Shape
 * @property {number} layers
 * @property {number} hidden
 * @property {number} intermediate
 * @property {readonly number[]} filterSizes
 * @property {number} filters of each kernel size
 * @property {number} labels
 */

/** Inputs and outputs of an encoder layer's linear layers: queries, keys and values at once. @param {Shape} shape */
export function linearShapes({ hidden, intermediate }) {
  return [
    [hidden, 3 * hidden],
    [hidden, hidden],
    [hidden, intermediate],
    [intermediate, hidden],
  ];
}

/** @param {Shape} shape @param {number} length in tokens */
export function flopsOfText(shape, length) {
  const linear = linearShapes(shape).reduce((sum, [from, to]) => sum + 2 * from * to, 0);
  // Scores of each query with each key, and their mean of the values.
  const attention = 2 * (2 * length * shape.hidden);
  return shape.layers * length * (linear + attention) + flopsOfHead(shape, length);
}

/** @param {Shape} shape @param {number} length */
export function flopsOfHead({ hidden, filterSizes, filters, labels }, length) {
  const convolutions = filterSizes.map((size) => {
    const windows = Math.max(1, length - size + 1);
    return 2 * windows * size * hidden * filters;
  });
  const classifier = 2 * filterSizes.length * filters * labels;
  return convolutions.reduce((sum, flops) => sum + flops, classifier);
}

/** @param {Shape} shape @param {readonly number[]} lengths */
export function flopsOfTexts(shape, lengths) {
  return lengths.reduce((sum, length) => sum + flopsOfText(shape, length), 0);
}

/**
 * FLOP/s of the encoder's linear layers, each at the fastest product of its shape: the shapes weigh as much as
 * their share of the operations.
 *
 * @param {readonly (readonly [number, number])[]} shapes
 * @param {readonly Record<string, number>[]} rates of each shape, by way
 */
export function productRate(shapes, rates) {
  const work = shapes.map(([from, to]) => from * to);
  const time = work.map((each, index) => each / Math.max(...Object.values(rates[index])));
  const sum = (list) => list.reduce((total, each) => total + each, 0);
  return sum(work) / sum(time);
}

/** The shape that a saved model's config.json tells. @returns {Shape} */
export function shapeOf(config) {
  return {
    layers: config.num_hidden_layers,
    hidden: config.hidden_size,
    intermediate: config.intermediate_size,
    filterSizes: config.bert_cnn.filter_sizes,
    filters: config.bert_cnn.num_filters,
    labels: Object.keys(config.id2label).length,
  };
}
