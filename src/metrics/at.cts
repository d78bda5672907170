/** The number at a place that is known to be there; the compiler cannot know it. */
export function at(numbers: ArrayLike<number>, place: number): number {
  return numbers[place] ?? NaN;
}
