#!/usr/bin/env node
/** The `bertcnn` command. */
import { packageJson, SetupError } from "./setup/project.mjs";
import { OPTIONS_HELP, parseSetupArguments, reportingFailure, setUp } from "./setup.mjs";

const HELP = `\
bertcnn ${packageJson.version}: ${packageJson.description}

Usage: bertcnn <command> [options]

Commands:
  train      train a classifier, or a regression, on a file of texts and labels
  evaluate   loss and metrics of a model on such a file
  predict    labels of the texts of a file or of standard input, as JSON lines
  explain    where a text's logit comes from: the n-grams that add up to it
  info       what a model is
  doctor     what is installed here, and what to do where something is missing
  setup      find or fetch libtorch and build the native addon; does only what is missing
${OPTIONS_HELP.replaceAll(/^/gm, "    ")}

'bertcnn <command> --help' tells a command's options.

Options:
  --help, -h       show this
  --version, -v    show the version`;

/** @param {string[]} argv */
async function main(argv) {
  const [command, ...rest] = argv;
  switch (command) {
    case "train":
    case "evaluate":
    case "predict":
    case "explain":
    case "info": {
      const { run } = await import("../dist/cli/program.cjs");
      process.exitCode = await run(argv);
      return;
    }
    case "doctor": {
      const { doctor } = await import("./doctor.mjs");
      process.exitCode = await doctor(rest);
      return;
    }
    case "setup":
      if (rest.includes("--help") || rest.includes("-h")) console.log(HELP);
      else await setup(rest);
      return;
    case "--version":
    case "-v":
      console.log(packageJson.version);
      return;
    case undefined:
    case "--help":
    case "-h":
      console.log(HELP);
      return;
    default:
      throw new SetupError(`'${command}' is no command. 'bertcnn --help' lists them.`);
  }
}

async function setup(argv) {
  const libtorch = await setUp(parseSetupArguments(argv));
  console.log(`bertcnn: ready, with libtorch ${libtorch.version} in ${libtorch.directory}`);
}

await reportingFailure(() => main(process.argv.slice(2)));
