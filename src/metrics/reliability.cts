/** The predictions whose probability lies above one bound and up to another. */
export interface ReliabilityBin {
  /** The lower bound. */
  readonly lower: number;
  /** The upper bound. */
  readonly upper: number;
  /** Predictions in the bin. */
  readonly count: number;
  /** Their mean probability; 0 where there are none. */
  readonly confidence: number;
  /** The share of them that was right; 0 where there are none. */
  readonly accuracy: number;
}

/** How often predictions are right, by how sure the model is (Guo et al., 2017). */
export interface Reliability {
  /** Of equal width, from 0 to 1. */
  readonly bins: readonly ReliabilityBin[];
  /** Expected calibration error: the bins' mean gap between confidence and accuracy, weighted by count. */
  readonly ece: number;
}

/**
 * @param confidences - probabilities of predictions
 * @param isRight - whether the prediction at this place was right
 * @param count - of the bins
 */
export function reliabilityOf(
  confidences: Float64Array,
  isRight: (place: number) => boolean,
  count: number,
): Reliability {
  const bins = Array.from({ length: count }, (_, i) => ({
    lower: i / count,
    upper: (i + 1) / count,
    count: 0,
    sum: 0,
    right: 0,
  }));
  confidences.forEach((confidence, place) => {
    const bin = bins.find(({ upper }) => confidence <= upper);
    if (bin === undefined) return;
    bin.count++;
    bin.sum += confidence;
    if (isRight(place)) bin.right++;
  });
  // A bin's share of the predictions times its gap; its count cancels.
  const gaps = bins.reduce((total, { sum, right }) => total + Math.abs(sum - right), 0);
  return {
    bins: bins.map(({ lower, upper, count, sum, right }) => ({
      lower,
      upper,
      count,
      confidence: count === 0 ? 0 : sum / count,
      accuracy: count === 0 ? 0 : right / count,
    })),
    ece: gaps / confidences.length,
  };
}
