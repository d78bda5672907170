import { Tree } from "./support.cjs";

// Each test starts several programs, on a machine that may be busy.
jest.setTimeout(60_000);

let tree: Tree;
beforeEach(() => {
  tree = new Tree();
});
afterEach(() => {
  tree.remove();
});

const IMPORTS = `import * as tools from "./scripts/setup/tools.mjs";`;

/** The one line that set-up prints when a tool is missing; nothing when none is. */
function complaint(call: string, env: Record<string, string> = {}): string {
  const { stderr, status } = tree.module(IMPORTS, `tools.${call}();`, env);
  expect(stderr.split("\n").length).toBeLessThanOrEqual(2);
  expect(status).toBe(stderr === "" ? 0 : 1);
  return stderr;
}

function goodCompiler(): void {
  tree.program("c++", 'echo "c++ 12.2.0"');
}

function goodCmake(): void {
  tree.program("cmake", 'echo "cmake version 3.22.0"');
}

function goodNinja(): void {
  tree.program("ninja", "echo 1.11.1");
}

test("nothing is said when all tools are there", () => {
  goodCompiler();
  goodCmake();
  goodNinja();
  expect(complaint("requireBuildTools")).toBe("");
});

test("Make does where Ninja is not installed", () => {
  goodCompiler();
  goodCmake();
  tree.program("make", 'echo "GNU Make 4.3"');
  expect(complaint("requireBuildTools")).toBe("");
});

test("all missing build tools are named in one line, with the packages that bring them", () => {
  const line = complaint("requireBuildTools");
  expect(line).toContain(
    "missing: a C++20 compiler, and CMake 3.22 or later, and Ninja or Make. To install: ",
  );
  expect(line).toMatch(/g\+\+.* cmake.* ninja-build/);
});

test("a compiler that cannot compile C++20 is named with its version", () => {
  tree.program("c++", '[ "$1" = --version ] && echo "c++ 8.3.0" && exit 0', "exit 1");
  goodCmake();
  goodNinja();
  const line = complaint("requireBuildTools");
  expect(line).toContain("a compiler that knows C++20 (c++ is 'c++ 8.3.0', which does not)");
  expect(line).toContain("set CXX=g++-12");
});

test("the compiler that CXX names is the one that is tried", () => {
  goodCompiler();
  goodCmake();
  goodNinja();
  const line = complaint("requireBuildTools", { CXX: "/nowhere/g++-99" });
  expect(line).toContain("missing: the C++ compiler that CXX names (/nowhere/g++-99)");
});

test("a CMake that is too old is not answered with the package that is installed already", () => {
  goodCompiler();
  goodNinja();
  tree.program("cmake", 'echo "cmake version 3.16.3"');
  const line = complaint("requireBuildTools");
  expect(line).toContain(
    "missing: CMake 3.22 or later (found 3.16.3). To install: python3 -m pip install cmake",
  );
});

test("versions are compared as numbers", () => {
  const pairs = [
    ["3.9.0", "3.22"],
    ["3.22", "3.22"],
    ["3.22.1", "3.22"],
    ["4.0.0", "3.22"],
    ["20.16.9", "20.17"],
  ];
  const body = `console.log(JSON.stringify(${JSON.stringify(pairs)}.map((p) => tools.atLeast(...p))));`;
  const { stdout } = tree.module(IMPORTS, body);
  expect(JSON.parse(stdout)).toEqual([false, true, true, true, false]);
});

test("a missing Python and a missing pip are told apart", () => {
  expect(complaint("requireFetchTools")).toContain("missing: Python 3 with pip");
  tree.program("python3", '[ "$1" = --version ] && echo "Python 3.11.2" && exit 0', "exit 1");
  expect(complaint("requireFetchTools")).toContain("missing: Python's pip");
  tree.program("python3", "echo fine");
  expect(complaint("requireFetchTools")).toBe("");
});

test("a Node.js that is too old is named with the version that is needed", () => {
  const old = `Object.defineProperty(process.versions, "node", { value: "18.20.4" });`;
  const { stderr, status } = tree.module(IMPORTS, `${old} tools.requireNode();`);
  expect(stderr).toContain("Node.js 18.20.4 is too old: 20.17 or later is needed");
  expect(status).toBe(1);
});
