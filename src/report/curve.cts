/** A point of a curve; where `y` is not finite the curve has a gap. */
export type Point = readonly [x: number, y: number];

/**
 * At most `most` points (and `most` is even): of each stretch of the curve the lowest and the highest, so that no peak
 * is lost. A stretch without a finite value stays a gap.
 */
export function thin(points: readonly Point[], most = 1000): readonly Point[] {
  if (points.length <= most) return points;
  const stretches = most / 2;
  const kept: Point[] = [];
  for (let i = 0; i < stretches; i++) {
    const begin = Math.floor((i * points.length) / stretches);
    const end = Math.floor(((i + 1) * points.length) / stretches);
    kept.push(...extremes(points.slice(begin, end)));
  }
  return kept;
}

/** The lowest and the highest of some points, in their order; one of them where all are gaps or there is but one. */
function extremes(points: readonly Point[]): Point[] {
  let low = -1;
  let high = -1;
  for (const [i, [, y]] of points.entries()) {
    if (!Number.isFinite(y)) continue;
    if (low < 0 || y < (points[low]?.[1] ?? NaN)) low = i;
    if (high < 0 || y > (points[high]?.[1] ?? NaN)) high = i;
  }
  const [first, last] = [Math.min(low, high), Math.max(low, high)];
  if (first < 0) return points.slice(0, 1);
  return first === last
    ? points.slice(first, first + 1)
    : [points[first], points[last]].filter(isPoint);
}

const isPoint = (point: Point | undefined): point is Point => point !== undefined;

/** How much of the last mean stays in the next, so that about a fortieth of the run is looked at; 0: nothing. */
export function smoothingWeight(length: number): number {
  return Math.max(0, Math.min(0.99, 1 - 40 / length));
}

/**
 * The exponentially weighted mean of a curve, corrected for its begin as in Adam (Kingma and Ba, 2015, section 3).
 * Gaps stay gaps and count for nothing.
 */
export function smooth(points: readonly Point[], weight: number): Point[] {
  let mean = 0;
  let missing = 1;
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) return [x, NaN];
    mean = weight * mean + (1 - weight) * y;
    missing *= weight;
    return [x, mean / (1 - missing)];
  });
}
