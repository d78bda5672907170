/**
 * Opens reports in headless Chromium, offline: nothing is loaded or run, nothing reaches over a phone's edge, and what
 * texts were planted with is shown, not obeyed. Needs Chromium (Debian: `apt-get install chromium`), or its path in
 * CHROMIUM; playwright-core, which steers it, is fetched from npm.
 *
 *     node scripts/check-report.mjs                  prints a line for each report
 *     node scripts/check-report.mjs --shots FOLDER   also saves pictures of them, to be looked at
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

import { reportRuns } from "./checks/report-runs.mjs";
import { equal, inTemporaryFolder, must, shows } from "./checks/steps.mjs";
import { root } from "./setup/project.mjs";
import { compileTypescript } from "./setup/typescript.mjs";

const PHONE = 360; // pixels
const DESK = 1280;
/** Chromium may ask its own servers for nothing either. */
const QUIET = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const { values: options } = parseArgs({ options: { shots: { type: "string" } } });

await compileTypescript();
const require = createRequire(import.meta.url);
const { writeReport } = require(path.join(root, "dist", "index.cjs"));
const { computeMetrics } = require(path.join(root, "dist", "metrics", "metrics.cjs"));
await inTemporaryFolder(async (folder) => {
  const browser = await launch(folder);
  try {
    for (const [name, run] of Object.entries(reportRuns(computeMetrics))) {
      const file = path.join(folder, `${name}.html`);
      await writeReport(file, run);
      await shows(`the report "${name}" is whole, still, and fits a phone`, () =>
        checkReport(browser, file, name),
      );
    }
  } finally {
    await browser.close();
  }
});

async function launch(folder) {
  const executablePath = process.env.CHROMIUM ?? find("chromium");
  writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
  const quiet = ["--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
  must("npm", ["install", ...quiet, "playwright-core@1"], { cwd: folder });
  const { chromium } = createRequire(path.join(folder, "package.json"))("playwright-core");
  return chromium.launch({ executablePath, args: QUIET });
}

function find(program) {
  const { stdout, status } = spawnSync("which", [program], { encoding: "utf8" });
  if (status === 0) return stdout.trim();
  throw new Error(`${program} is not installed: run 'apt-get install ${program}', or set CHROMIUM`);
}

async function checkReport(browser, file, name) {
  const grounds = [];
  for (const [width, colorScheme] of [
    [PHONE, "light"],
    [PHONE, "dark"],
    [DESK, "light"],
    [DESK, "dark"],
  ]) {
    const where = `${name} at ${width} pixels, ${colorScheme}`;
    const seen = await look(browser, file, { width, colorScheme, where });
    equal(seen.complaints.join("\n"), "", `${where}: complaints and requests`);
    equal(seen.planted, "undefined", `${where}: planted scripts`);
    equal(seen.active, 0, `${where}: elements that could run or load something`);
    equal(seen.overflow, 0, `${where}: pixels beyond the edge`);
    equal(seen.flat.join(), "", `${where}: charts without size`);
    equal(seen.unnamed, 0, `${where}: charts without a name`);
    grounds.push(seen.ground);
  }
  const [light, dark] = grounds;
  if (light === dark) throw new Error(`${name}: light and dark have the same ground, ${light}`);
}

async function look(browser, file, { width, colorScheme, where }) {
  const viewport = { width, height: 800 };
  const context = await browser.newContext({ viewport, colorScheme, offline: true });
  try {
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      const address = request.url();
      if (address !== pathToFileURL(file).href) complaints.push(`asked for ${address}`);
    });
    await page.goto(pathToFileURL(file).href);
    // Playwright's own evaluation goes past the policy; handlers of the page do not.
    const seen = await page.evaluate(inspect);
    await screenshot(page, where);
    return { ...seen, complaints };
  } finally {
    await context.close();
  }
}

/** Runs in the page, with all that can be unfolded open. */
function inspect() {
  const { document, window, getComputedStyle } = globalThis;
  for (const details of document.querySelectorAll("details")) details.open = true;
  const charts = [...document.querySelectorAll("figure > svg")];
  const size = (chart) => chart.getBoundingClientRect();
  const edge = document.documentElement;
  return {
    planted: String(window.planted),
    active: document.querySelectorAll("script, iframe, img, object, embed, link:not([rel=icon])")
      .length,
    overflow: Math.max(0, edge.scrollWidth - window.innerWidth),
    flat: charts.flatMap((chart, i) =>
      size(chart).width > 100 && size(chart).height > 50 ? [] : [i],
    ),
    unnamed: charts.filter((chart) => !chart.getAttribute("aria-label")).length,
    ground: getComputedStyle(document.body).backgroundColor,
  };
}

async function screenshot(page, where) {
  if (options.shots === undefined) return;
  mkdirSync(options.shots, { recursive: true });
  const file = path.join(options.shots, `${where.replace(/\W+/g, "-")}.png`);
  await page.screenshot({ path: file, fullPage: true });
}
