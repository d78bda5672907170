/** The element at a place that is known to be there. */
export function elementAt<T>(array: ArrayLike<T>, place: number): T {
  return array[place] as T;
}
