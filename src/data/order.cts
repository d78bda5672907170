import { elementAt } from "./element.cjs";
import { ascending, drawBelow, seededGenerator, shuffle, type Generator } from "./random.cjs";
import type { Example } from "./example.cjs";
import type { RandomSource, Source, StreamedSource } from "./source.cjs";

/** The rows of a source that a data set is made of, as ascending places; `null`: all. */
export type View = Uint32Array | null;

/** An example and its place in its data set. */
export interface Item {
  readonly row: number;
  readonly example: Example;
}

/** In which order, and from which row of that order on, examples come. */
export interface Order {
  readonly shuffle: boolean;
  readonly seed: number;
  readonly epoch: number;
  /** Rows left out at the beginning. */
  readonly skip: number;
}

/** As they are. */
export const IN_ORDER: Order = { shuffle: false, seed: 0, epoch: 0, skip: 0 };

/** Rows read at once where nothing else decides: enough to read neighbours together, few enough to hold. */
export const WINDOW = 1024;

/** Items in order, `window` at a time; only the last window may be smaller. */
export function inOrder(
  source: Source,
  view: View,
  order: Order,
  window: number,
): AsyncGenerator<Item[], void> {
  if (source.access === "random") return readWindows(source, view, order, window);
  const items = streamed(source, view);
  const ordered = order.shuffle ? buffered(items, order, source.shuffleBuffer) : items;
  return grouped(ordered, order.skip, window);
}

async function* readWindows(
  source: RandomSource,
  view: View,
  order: Order,
  window: number,
): AsyncGenerator<Item[], void> {
  const rows = ascending(view?.length ?? (await source.size()));
  if (order.shuffle) shuffle(rows, seededGenerator(order.seed, order.epoch));
  const reader = await source.open();
  try {
    for (let begin = order.skip; begin < rows.length; begin += window) {
      const places = rows.subarray(begin, begin + window);
      const examples = await reader.read(view ? places.map((row) => elementAt(view, row)) : places);
      yield examples.map((example, i) => ({ row: elementAt(places, i), example }));
    }
  } finally {
    await reader.close();
  }
}

async function* streamed(source: StreamedSource, view: View): AsyncGenerator<Item, void> {
  let place = 0;
  let row = 0;
  for await (const example of source.examples()) {
    if (view === null || view[row] === place) yield { row: row++, example };
    place += 1;
  }
}

/** Each item takes the place of one drawn from the buffer; what is left at the end is shuffled. */
async function* buffered(
  items: AsyncIterable<Item>,
  { seed, epoch }: Order,
  size: number,
): AsyncGenerator<Item, void> {
  const generator: Generator = seededGenerator(seed, epoch);
  const buffer: Item[] = [];
  for await (const item of items) {
    if (buffer.length < size) {
      buffer.push(item);
      continue;
    }
    const place = drawBelow(generator, size);
    const drawn = elementAt(buffer, place);
    buffer[place] = item;
    yield drawn;
  }
  yield* shuffle(buffer, generator);
}

async function* grouped(
  items: AsyncIterable<Item>,
  skip: number,
  window: number,
): AsyncGenerator<Item[], void> {
  let group: Item[] = [];
  let skipped = 0;
  for await (const item of items) {
    if (skipped < skip) {
      skipped += 1;
      continue;
    }
    group.push(item);
    if (group.length < window) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
