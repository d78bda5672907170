import { spawnSync } from "node:child_process";
import path from "node:path";

import { repository } from "./support.cjs";

function doctor(...args: string[]) {
  const cli = path.join(repository, "scripts", "cli.mjs");
  return spawnSync(process.execPath, [cli, "doctor", ...args], { encoding: "utf8" });
}

interface Finding {
  name: string;
  status: string;
  text: string;
  remedy?: string;
}

test("bertcnn doctor finds what a model needs", () => {
  const { stdout, status } = doctor("--json");
  expect(status).toBe(0);
  const findings = JSON.parse(stdout) as Finding[];
  const byName = Object.fromEntries(findings.map((finding) => [finding.name, finding]));
  expect(byName["Node.js"]).toMatchObject({ status: "ok", text: process.versions.node });
  expect(byName["libtorch"]?.text).toMatch(/^2\.\d+\.\d+/);
  expect(byName["addon"]?.status).toBe("ok");
  for (const { status: each, remedy } of findings) expect(each === "ok" || remedy).toBeTruthy();
});

test("bertcnn doctor is readable by people", () => {
  const { stdout, status } = doctor();
  expect(status).toBe(0);
  expect(stdout).toMatch(/^ok +processor|^note +processor/m);
});

test("bertcnn doctor names an option that it does not have", () => {
  const { stderr, status } = doctor("--quick");
  expect(status).toBe(2);
  expect(stderr).toContain("--quick");
});
