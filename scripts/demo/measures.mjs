// How well predictions follow human ratings.

/**
 * Pearson's correlation of two lists of one length; NaN where a list is constant.
 * @param {ArrayLike<number>} left
 * @param {ArrayLike<number>} right
 */
export function correlation(left, right) {
  const [meanLeft, meanRight] = [mean(left), mean(right)];
  let [product, squaresLeft, squaresRight] = [0, 0, 0];
  for (let i = 0; i < left.length; ++i) {
    const [a, b] = [left[i] - meanLeft, right[i] - meanRight];
    product += a * b;
    squaresLeft += a * a;
    squaresRight += b * b;
  }
  return product / Math.sqrt(squaresLeft * squaresRight);
}

/**
 * The share of predictions on the ratings' side of zero. A rating of exactly zero takes no side and is
 * left out.
 * @param {ArrayLike<number>} predicted
 * @param {ArrayLike<number>} rated
 */
export function signAccuracy(predicted, rated) {
  let [right, count] = [0, 0];
  for (let i = 0; i < rated.length; ++i) {
    if (rated[i] === 0) continue;
    ++count;
    if (predicted[i] > 0 === rated[i] > 0) ++right;
  }
  return right / count;
}

/** @param {ArrayLike<number>} list */
function mean(list) {
  let sum = 0;
  for (let i = 0; i < list.length; ++i) sum += list[i];
  return sum / list.length;
}
