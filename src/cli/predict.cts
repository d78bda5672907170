import { BertCnn } from "../bert-cnn.cjs";
import { throwIfAborted } from "../calls.cjs";
import type { Column } from "../data/row-reader.cjs";
import { BertCnnError } from "../errors.cjs";
import { Progress } from "../fit/progress.cjs";
import type { BertCnnOptions } from "../options.cjs";
import { readTexts, type InputFormat, type TextRow } from "./input.cjs";
import { LineOutput, wholeLines } from "./output.cjs";

/** Options of `bertcnn predict`. */
export interface PredictCommand {
  readonly model: string;
  readonly load: BertCnnOptions;
  readonly format: InputFormat | undefined;
  readonly textColumn: Column | undefined;
  readonly header: boolean;
  readonly out: string | undefined;
  readonly resume: boolean;
  readonly batchSize: number;
  readonly topK: number | null | undefined;
  readonly text: boolean;
  readonly onBadRow: "fail" | "skip";
  readonly progress: boolean;
  readonly signal: AbortSignal;
}

type Numbered = TextRow & { readonly row: number };

/** Rows in groups, so that the engine has enough to make batches of. */
async function* groups(
  input: string,
  skip: number,
  command: PredictCommand,
): AsyncGenerator<Numbered[]> {
  let group: Numbered[] = [];
  let row = 0;
  for await (const each of readTexts(input, command)) {
    throwIfAborted(command.signal);
    const numbered = { ...each, row: row++ };
    if (numbered.row < skip) continue;
    if ("error" in each && command.onBadRow === "fail") {
      // What came before it is written first.
      if (group.length > 0) yield group;
      throw new BertCnnError("ERR_INVALID_DATA", `${input}:${String(each.line)}: ${each.error}`);
    }
    group.push(numbered);
    if (group.length < command.batchSize) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** The lines of a group: for each row its labels, or what is wrong with it. */
async function predictGroup(
  model: BertCnn,
  group: readonly Numbered[],
  { topK, text, signal }: PredictCommand,
): Promise<unknown[]> {
  const good = group.filter((row): row is Numbered & { text: string } => "text" in row);
  const texts = good.map((row) => row.text);
  const classified = await model.classify(texts, { signal, ...(topK !== undefined && { topK }) });
  const labelled = new Map(good.map(({ row }, i) => [row, classified[i]]));
  return group.map((row) => {
    const { row: place } = row;
    if ("error" in row) return { row: place, error: row.error };
    return { row: place, ...(text && { text: row.text }), labels: labelled.get(place) };
  });
}

/**
 * Predicts the rows of a file or of standard input, and writes a line of JSON for each, in their order, as they come.
 */
export async function predict(input: string, command: PredictCommand): Promise<void> {
  const { out, resume, signal } = command;
  const skip = resume && out !== undefined ? await wholeLines(out) : 0;
  const model = await BertCnn.fromPretrained(command.model, { ...command.load, signal });
  const output = LineOutput.open(out, resume);
  const progress = command.progress ? new Progress("predicted") : undefined;
  // One group is computed while the next one is read.
  let computed: Promise<unknown[]> = Promise.resolve([]);
  const writeComputed = async () => {
    const lines = await computed;
    for (const line of lines) await output.write(line);
    progress?.advance(lines.length);
  };
  try {
    try {
      for await (const group of groups(input, skip, command)) {
        const next = predictGroup(model, group, command);
        next.catch(() => undefined); // whoever awaits it hears of it
        await writeComputed();
        computed = next;
      }
    } finally {
      // Also where the input ended in an error.
      await writeComputed();
    }
  } finally {
    progress?.end();
    await output.close();
    await model.dispose();
  }
}
