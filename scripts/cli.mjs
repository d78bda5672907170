#!/usr/bin/env node
/** The `bertcnn` command. */
import { packageJson, SetupError } from "./setup/project.mjs";
import { OPTIONS_HELP, parseSetupArguments, reportingFailure, setUp } from "./setup.mjs";

const HELP = `\
bertcnn ${packageJson.version}: ${packageJson.description}

Usage: bertcnn <command> [options]

Commands:
  setup    find or fetch libtorch and build the native addon; does only what is missing
${OPTIONS_HELP.replaceAll(/^/gm, "  ")}

Options:
  --help, -h       show this
  --version, -v    show the version`;

/** @param {string[]} argv */
async function main([command, ...rest]) {
  switch (command) {
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
