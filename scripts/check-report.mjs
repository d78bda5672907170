/**
 * Opens reports and explanations in headless Chromium, offline: nothing is loaded or run, nothing reaches over a phone's
 * edge, what texts were planted with is shown, not obeyed, and tables that explain a logit add up as shown. Needs Chromium (Debian: `apt-get install chromium`), or its path in
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
const { BertCnn, explanationPage, writeReport } = require(path.join(root, "dist", "index.cjs"));
const { computeMetrics } = require(path.join(root, "dist", "metrics", "metrics.cjs"));
await inTemporaryFolder(async (folder) => {
  const browser = await launch(folder);
  try {
    for (const [name, run] of Object.entries(reportRuns(computeMetrics))) {
      const file = path.join(folder, `${name}.html`);
      await writeReport(file, run);
      await shows(`the report "${name}" is whole, still, and fits a phone`, () =>
        checkPage(browser, file, name),
      );
    }
    for (const [name, explanations] of Object.entries(await explain())) {
      const file = path.join(folder, `explanations-${name}.html`);
      writeFileSync(file, explanationPage(explanations));
      await shows(`the explanations "${name}" add up, still, and fit a phone`, async () => {
        const tables = await checkPage(browser, file, name);
        if (tables < explanations.length) throw new Error(`${name}: a table of sums is missing`);
      });
    }
  } finally {
    await browser.close();
  }
});

/** What a small model with random weights says of some texts. */
async function explain() {
  const labels = ["bad", "good", "<b>bold</b>"];
  const words = ["the", "movie", "was", "not", "very", "good", "bad", "great", "awful", "plot"];
  const long = Array.from({ length: 600 }, (_, i) => words[(i * i + 3) % 10]).join(" ");
  const planted =
    '<script>planted = 1</script> <img src="x" onerror="planted = 1"> good "movie" & bad';
  const texts = [
    "a good movie , really great",
    "",
    planted,
    "😀 the 日本 film",
    "x".repeat(500),
    long,
  ];
  const directory = path.join(root, "test", "fixtures", "models", "tiny-bert");
  const settings = { labels, seed: 4, device: "cpu", threads: 1, longText: "window" };
  const model = await BertCnn.fromPretrained(directory, settings);
  try {
    return {
      best: await model.explain(texts),
      difference: await model.explain(texts, { label: "good", against: "<b>bold</b>" }),
    };
  } finally {
    await model.dispose();
  }
}

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

/** @returns {Promise<number>} tables that add up */
async function checkPage(browser, file, name) {
  const grounds = [];
  let sums = 0;
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
    equal(seen.wrongSums.join("\n"), "", `${where}: tables that do not add up`);
    sums = seen.sums;
    grounds.push(seen.ground);
  }
  const [light, dark] = grounds;
  if (light === dark) throw new Error(`${name}: light and dark have the same ground, ${light}`);
  return sums;
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
  // Tables with a column "Adds": its figures, as they are shown, add up to the last one.
  const sums = [...document.querySelectorAll("table")].flatMap((table) => {
    const [head, ...rows] = [...table.rows].map((row) => [...row.cells].map((c) => c.innerText));
    const column = head.indexOf("Adds");
    if (column < 0) return [];
    const figures = rows.map((cells) => Number(cells[column].replace("−", "-")));
    const total = figures.pop();
    return [{ total, sum: figures.reduce((sum, figure) => sum + figure, 0) }];
  });
  return {
    planted: String(window.planted),
    active: document.querySelectorAll("script, iframe, img, object, embed, link:not([rel=icon])")
      .length,
    overflow: Math.max(0, edge.scrollWidth - window.innerWidth),
    flat: charts.flatMap((chart, i) =>
      size(chart).width > 100 && size(chart).height > 50 ? [] : [i],
    ),
    sums: sums.length,
    wrongSums: sums
      .filter(({ sum, total }) => !(Math.abs(sum - total) < 1e-6))
      .map(({ sum, total }) => `${sum} for ${total}`),
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
