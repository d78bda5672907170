import { Command, CommanderError, InvalidArgumentError, Option } from "commander";

import { BertCnn } from "../bert-cnn.cjs";
import { Dataset } from "../data/dataset.cjs";
import type { FileDatasetOptions } from "../data/dataset-options.cjs";
import type { Column } from "../data/row-reader.cjs";
import { BertCnnError } from "../errors.cjs";
import { explanationPage } from "../explain/page.cjs";
import { formatExplanation } from "../explain/terminal.cjs";
import type { Interval } from "../fit/options.cjs";
import type { BertCnnOptions, Freeze } from "../options.cjs";
import { replaceFile } from "../report/write-file.cjs";
import type { Optimizer, Schedule } from "../training-options.cjs";
import { version } from "../version.cjs";
import type { InputFormat } from "./input.cjs";
import { predict } from "./predict.cjs";
import { pretrain } from "./pretrain.cjs";
import { describe, resultTable } from "./show.cjs";
import { train } from "./train.cjs";

/** As shells have it: a mistake in how a command is called. */
const USAGE_ERROR = 2;
/** As shells have it: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

function number(least: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(value) && value >= least) return value;
    throw new InvalidArgumentError(`It is a number of at least ${String(least)}.`);
  };
}

function integer(least: number): (text: string) => number {
  return (text) => {
    const value = number(least)(text);
    if (Number.isSafeInteger(value)) return value;
    throw new InvalidArgumentError("It is a whole number.");
  };
}

/** A name, or a place from 0. */
function column(text: string): Column {
  return /^\d+$/.test(text) ? Number(text) : text;
}

function columns(text: string): Column | Column[] {
  const several = text.split(",").map(column);
  return several.length === 1 ? column(text) : several;
}

function interval(text: string): Interval {
  return text === "epoch" ? text : integer(1)(text);
}

/** `0=bad,1=good` */
function labelNames(text: string): Record<string, string> {
  const pairs = text.split(",").map((pair) => pair.split("="));
  if (pairs.every((pair) => pair.length === 2))
    return Object.fromEntries(pairs) as Record<string, string>;
  throw new InvalidArgumentError("It looks like 0=negative,1=positive.");
}

function freeze(text: string): Freeze {
  if (/^\d+$/.test(text)) return Number(text);
  return text === "encoder" || text === "embeddings" || text === "none" ? text : text.split(",");
}

/** What commander gives of all commands' options. */
interface Given extends Omit<BertCnnOptions, "progress">, Omit<FileDatasetOptions, "format"> {
  readonly model: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly progress: boolean;
  readonly format?: "jsonl" | "csv" | "tsv";
  readonly header: boolean;
  readonly eval?: string;
  readonly evalShare: number;
  readonly stratify?: boolean;
  readonly epochs?: number;
  readonly maxSteps?: number;
  readonly batchSize?: number;
  readonly accumulate?: number;
  readonly learningRate?: number;
  readonly headLearningRate?: number;
  readonly weightDecay?: number;
  readonly optimizer?: Optimizer;
  readonly schedule?: Schedule;
  readonly warmupRatio?: number;
  readonly balanced?: boolean;
  readonly focalGamma?: number;
  readonly maskProbability?: number;
  readonly evalSteps?: Interval;
  readonly metric?: string;
  readonly patience?: number;
  readonly saveSteps?: Interval;
  readonly saveTotalLimit?: number;
  readonly calibrate?: boolean;
  readonly resume?: boolean;
}

/** What commander gives of the options of `predict`. */
interface GivenToPredict extends Omit<Given, "format" | "batchSize"> {
  readonly format?: InputFormat;
  readonly batchSize: number;
  readonly topK?: number;
  readonly all?: boolean;
  readonly text: boolean;
  readonly onBadRow: "fail" | "skip";
}

function withModel(command: Command): Command {
  return command
    .requiredOption("-m, --model <model>", "a directory, or a model's id on the Hugging Face hub")
    .option("--device <device>", "auto, cpu, cuda or cuda:N")
    .addOption(
      new Option("--dtype <dtype>", "precision of the matrix products").choices([
        "float32",
        "bfloat16",
        "int8",
        "auto",
      ]),
    )
    .option("--threads <n>", "threads of an operation (default: by load)", integer(1))
    .option("--max-length <n>", "tokens beyond which a text is cut", integer(1))
    .addOption(
      new Option("--long-text <what>", "what becomes of a longer text").choices([
        "truncate",
        "window",
      ]),
    )
    .option("--window-overlap <n>", "tokens that neighbouring windows share at least", integer(0));
}

function withData(command: Command): Command {
  return command
    .addOption(
      new Option("--format <format>", "of the data (default: by the file's ending)").choices([
        "jsonl",
        "csv",
        "tsv",
      ]),
    )
    .option("--no-header", "CSV, TSV: columns have no names, and are given by place from 0")
    .option("--text-column <column>", "(default: text, else sentence)", column)
    .option("--label-column <columns>", "one, or several with commas between", columns)
    .option("--label-names <map>", "other names for labels: 0=negative,1=positive", labelNames)
    .option("--label-separator <text>", "what lies between the labels of a cell")
    .addOption(
      new Option("--on-bad-row <what>", "what a row that cannot be read does")
        .choices(["fail", "skip"])
        .default("fail"),
    );
}

function withSteps(command: Command): Command {
  return command
    .option("--epochs <n>", "passes over the data (default: 3)", integer(1))
    .option("--max-steps <n>", "optimizer steps at most", integer(1))
    .option("--batch-size <n>", "rows of a step (default: 32)", integer(1))
    .option("--accumulate <n>", "batches of an optimizer step", integer(1))
    .option("--learning-rate <x>", "of the encoder (default: 5e-5)", number(0))
    .option("--weight-decay <x>", "(default: 0.01)", number(0))
    .addOption(
      new Option("--schedule <schedule>", "of the learning rates").choices([
        "constant",
        "linear",
        "cosine",
        "polynomial",
        "inverse_sqrt",
      ]),
    )
    .option("--warmup-ratio <x>", "share of the steps in which rates rise", number(0));
}

function withShow(command: Command): Command {
  return command
    .option("--json", "write the result as JSON")
    .option("--no-progress", "show no progress bar");
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}

function loadOptions(given: Omit<Given, "format" | "batchSize">): BertCnnOptions {
  const { device, dtype, threads, maxLength, variant, problemType, labels, freeze, seed } = given;
  const { activation, pooling, hiddenLayers, longText, windowOverlap } = given;
  return defined({
    device,
    dtype,
    threads,
    maxLength,
    variant,
    problemType,
    labels,
    activation,
    pooling,
    hiddenLayers,
    longText,
    windowOverlap,
    freeze,
    seed,
  });
}

function dataOptions(given: Given): FileDatasetOptions {
  const { format, header, textColumn, labelColumn, labelNames: names } = given;
  const { labelSeparator, onBadRow } = given;
  return defined({
    format,
    // Only what was said: JSONL has no header to be without.
    header: header ? undefined : false,
    textColumn,
    labelColumn,
    labelNames: names,
    labelSeparator,
    onBadRow,
  });
}

/** What the commands share: an abort by SIGINT, and where results go. */
interface Session {
  readonly signal: AbortSignal;
  readonly print: (text: string) => void;
}

function showsProgress({ progress }: { readonly progress: boolean }): boolean {
  return progress && process.stderr.isTTY;
}

function trainCommand({ signal, print }: Session): Command {
  const command = new Command("train")
    .description("train a classifier, or a regression, on a file")
    .argument("<data>", "JSONL, CSV or TSV with texts and labels");
  withShow(withSteps(withData(withModel(command))))
    .requiredOption("-o, --out <dir>", "where the model, checkpoints, logs and report go")
    .option("--eval <file>", "data to evaluate with (default: a part of the data)")
    .option("--eval-share <x>", "that part", number(0), 0.1)
    .option("--stratify", "have each class's share in both parts")
    .addOption(
      new Option("--problem-type <type>", "what labels are (default: by the data)").choices([
        "single_label_classification",
        "multi_label_classification",
        "regression",
      ]),
    )
    .addOption(
      new Option("--variant <variant>", "of the head").choices([
        "frozen",
        "fine-tune",
        "max-over-time",
      ]),
    )
    .addOption(
      new Option(
        "--activation <name>",
        "behind the convolutions of a new head (default: relu)",
      ).choices(["relu", "gelu", "tanh", "glu"]),
    )
    .addOption(
      new Option("--pooling <name>", "over time, of a new head (default: max)").choices([
        "max",
        "mean",
        "max-mean",
        "k-max",
        "attention",
      ]),
    )
    .option("--hidden-layers <n>", "last layers that a new head sees (default: 1)", integer(1))
    .option("--freeze <what>", "encoder, embeddings, none, a number of layers, or patterns", freeze)
    .option("--head-learning-rate <x>", "of the head (default: 1e-3)", number(0))
    .addOption(
      new Option("--optimizer <name>", "(default: adamw)").choices(["adamw", "sgd", "adafactor"]),
    )
    .option("--balanced", "weigh classes by how rare they are")
    .option("--focal-gamma <x>", "focal loss: what is known already counts little", number(0))
    .option("--eval-steps <n>", "evaluate every n steps (default: each epoch)", interval)
    .option("--metric <name>", "says which evaluation is best (default: loss)")
    .option("--patience <n>", "stop after n evaluations that got no better", integer(1))
    .option("--save-steps <n>", "write a checkpoint every n steps (default: each epoch)", interval)
    .option("--save-total-limit <n>", "checkpoints to keep", integer(1))
    .option("--calibrate", "fit a temperature, and thresholds, to the evaluation data")
    .option("--seed <n>", "of the split, the order, new weights and dropout", integer(0), 0)
    .option("--resume", "go on from the newest checkpoint in --out")
    .action(async (file: string, given: Given) => {
      const {
        epochs,
        maxSteps,
        batchSize,
        accumulate: gradientAccumulationSteps,
        learningRate,
        headLearningRate,
        weightDecay,
        optimizer,
        schedule,
        warmupRatio,
        focalGamma,
        evalSteps,
        metric: metricForBestModel,
        patience,
        saveSteps,
        saveTotalLimit,
        calibrate,
        seed,
        resume,
        out: outputDir = "",
      } = given;
      const fit = defined({
        epochs,
        maxSteps,
        batchSize,
        gradientAccumulationSteps,
        learningRate,
        headLearningRate,
        weightDecay,
        optimizer,
        schedule,
        warmupRatio,
        focalGamma,
        classWeights: given.balanced ? ("balanced" as const) : undefined,
        evalSteps,
        metricForBestModel,
        earlyStopping: patience === undefined ? undefined : { patience },
        saveSteps,
        saveTotalLimit,
        calibrate,
        seed,
        resumeFromCheckpoint: resume,
        outputDir,
        progress: showsProgress(given),
        signal,
      });
      const result = await train(file, {
        model: given.model,
        load: loadOptions(given),
        data: dataOptions(given),
        evalFile: given.eval,
        evalShare: given.evalShare,
        stratify: given.stratify ?? false,
        fit,
      });
      print(given.json ? JSON.stringify(result, null, 2) : resultTable(result, outputDir));
    });
  return command;
}

function pretrainCommand({ signal, print }: Session): Command {
  const command = new Command("pretrain")
    .description("go on with BERT's pre-training on texts: masked tokens are guessed")
    .argument("<data>", "JSONL, CSV or TSV with texts, or .txt with a text a line");
  withSteps(withModel(command))
    .requiredOption("-o, --out <dir>", "where the encoder goes, for --model of train")
    .option("--text-column <column>", "(default: text, else sentence)", column)
    .option("--no-header", "CSV, TSV: columns have no names, and are given by place from 0")
    .option("--eval-share <x>", "part of the texts that is only evaluated with", number(0), 0.05)
    .option("--mask-probability <x>", "share of tokens to guess (default: 0.15)", number(0))
    .option("--seed <n>", "of the split, the order, masks and dropout", integer(0), 0);
  withShow(command).action(async (file: string, given: Given) => {
    const { epochs, maxSteps, batchSize, accumulate: gradientAccumulationSteps } = given;
    const { learningRate, weightDecay, schedule, warmupRatio, maskProbability, seed } = given;
    const options = { epochs, maxSteps, batchSize, gradientAccumulationSteps, learningRate };
    const more = { weightDecay, schedule, warmupRatio, maskProbability, seed, signal };
    const { header, textColumn, out = "" } = given;
    const result = await pretrain(file, {
      model: given.model,
      out,
      load: loadOptions(given),
      data: defined({ header: header ? undefined : false, textColumn }),
      evalShare: given.evalShare,
      pretrain: { ...defined({ ...options, ...more }), progress: showsProgress(given) },
    });
    print(given.json ? JSON.stringify(result, null, 2) : describe(result));
  });
  return command;
}

function evaluateCommand({ signal, print }: Session): Command {
  const command = new Command("evaluate")
    .description("loss and metrics of a model on a file")
    .argument("<data>", "JSONL, CSV or TSV with texts and labels");
  withShow(withData(withModel(command))).action(async (file: string, given: Given) => {
    const data = Dataset.fromFile(file, dataOptions(given));
    const model = await BertCnn.fromPretrained(given.model, { ...loadOptions(given), signal });
    try {
      const { metrics } = await model.evaluate(data, { signal, progress: showsProgress(given) });
      const rows = await data.size();
      print(given.json ? JSON.stringify({ rows, metrics }, null, 2) : describe(metrics, rows));
    } finally {
      await model.dispose();
    }
  });
  return command;
}

function predictCommand({ signal }: Session): Command {
  const command = new Command("predict")
    .description("labels of texts, as JSON lines: of a file, or of standard input")
    .argument("[input]", "JSONL, CSV, TSV, or .txt with a text a line; - is standard input", "-");
  withModel(command)
    .addOption(
      new Option("--format <format>", "of the input (default: by its ending, else jsonl)").choices([
        "jsonl",
        "csv",
        "tsv",
        "text",
      ]),
    )
    .option("--no-header", "CSV, TSV: columns have no names, and are given by place from 0")
    .option("--text-column <column>", "(default: text, else sentence)", column)
    .option("-o, --out <file>", "(default: standard output)")
    .option("--resume", "go on where an earlier run ended that wrote into --out")
    .option("--top-k <n>", "labels of each text (default: as classify)", integer(1))
    .option("--all", "all labels of each text")
    .option("--no-text", "leave the texts out of the output")
    .option("--batch-size <n>", "rows that are read at a time", integer(1), 256)
    .addOption(
      new Option("--on-bad-row <what>", "skip: a line with the error in its place")
        .choices(["fail", "skip"])
        .default("fail"),
    )
    .option("--no-progress", "show no progress")
    .action(async (input: string, given: GivenToPredict) => {
      const { out, topK } = given;
      if (given.resume && out === undefined) {
        throw new BertCnnError("ERR_INVALID_ARGUMENT", "Expected --out with --resume");
      }
      await predict(input, {
        model: given.model,
        load: loadOptions(given),
        format: given.format,
        textColumn: given.textColumn,
        header: given.header,
        out,
        resume: given.resume ?? false,
        batchSize: given.batchSize,
        topK: given.all ? null : topK,
        text: given.text,
        onBadRow: given.onBadRow,
        progress: showsProgress(given) && out !== undefined,
        signal,
      });
    });
  return command;
}

/** Where output is no terminal `isTTY` is undefined, whatever the types say. */
function hasColors({ isTTY }: { readonly isTTY?: boolean }): boolean {
  return isTTY === true && process.env["NO_COLOR"] === undefined;
}

/** What commander gives of the options of `explain`. */
interface GivenToExplain extends Omit<Given, "format" | "batchSize"> {
  readonly label?: string;
  readonly against?: string;
  readonly html?: string;
  readonly top: number;
}

function explainCommand({ signal, print }: Session): Command {
  const command = new Command("explain")
    .description("where the logits of texts come from: the n-grams that add up to them")
    .argument("<texts...>", "each in quotation marks");
  withModel(command)
    .option("--label <label>", "whose logit (default: each text's best)")
    .option("--against <label>", "explain how much it is above that of this label")
    .option("--top <n>", "n-grams that are listed", integer(1), 10)
    .option("--html <file>", "write a page with tables that add up")
    .option("--json", "write all of it as JSON lines")
    .action(async (texts: string[], given: GivenToExplain) => {
      const { label, against, html, top } = given;
      const model = await BertCnn.fromPretrained(given.model, { ...loadOptions(given), signal });
      try {
        const explanations = await model.explain(texts, { label, against, signal });
        if (html !== undefined) {
          const page = explanationPage(explanations);
          await replaceFile(html, async (file) => {
            await file.writeFile(page);
          });
        }
        const color = hasColors(process.stdout);
        for (const explanation of explanations) {
          if (given.json) print(JSON.stringify(explanation));
          else print(`${formatExplanation(explanation, { color, top })}\n`);
        }
      } finally {
        await model.dispose();
      }
    });
  return command;
}

function infoCommand({ signal, print }: Session): Command {
  return new Command("info")
    .description("what a model is")
    .argument("<model>", "a directory, or a model's id on the Hugging Face hub")
    .option("--json", "write it as JSON")
    .action(async (source: string, given: Given) => {
      const model = await BertCnn.fromPretrained(source, { device: "cpu", signal });
      try {
        const { config, labels, problemType, maxLength, parameterCount } = model;
        const { missing, unexpected, initialized } = model.loadReport;
        const weights = { missing, unexpected, initialized };
        const info = { problemType, labels, maxLength, parameterCount, weights, config };
        print(given.json ? JSON.stringify(info, null, 2) : describe(info));
      } finally {
        await model.dispose();
      }
    });
}

/** Commands that this module has; `setup` and `doctor` must work where it cannot be loaded. */
export const commands = ["train", "pretrain", "evaluate", "predict", "explain", "info"] as const;

/**
 * Runs a command and tells its exit code: 0, 1 where it failed, 2 where it was called wrongly, 130 where SIGINT ended
 * it. The first SIGINT lets a command end in order, the second ends the process.
 */
export async function run(
  argv: readonly string[],
  print: (text: string) => void = console.log,
): Promise<number> {
  const controller = new AbortController();
  const interrupt = () => {
    controller.abort(new Error("interrupted"));
  };
  process.once("SIGINT", interrupt);
  const session = { signal: controller.signal, print };
  const program = new Command("bertcnn").version(version(), "-v, --version");
  const makers = [trainCommand, pretrainCommand, evaluateCommand];
  for (const make of [...makers, predictCommand, explainCommand, infoCommand]) {
    program.addCommand(make(session).exitOverride());
  }
  try {
    await program.exitOverride().parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    // Commander has told it, or it is the help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_ERROR;
    const message = error instanceof Error ? error.message : String(error);
    const { code } = error as { code?: unknown };
    console.error(`bertcnn: ${message}${typeof code === "string" ? ` (${code})` : ""}`);
    return controller.signal.aborted ? INTERRUPTED : 1;
  } finally {
    process.removeListener("SIGINT", interrupt);
  }
}
