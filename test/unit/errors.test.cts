import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import vm from "node:vm";

import { BertCnnError, errorCodes, toBertCnnError } from "../../src/errors.cjs";

describe("BertCnnError", () => {
  it("is an Error with a name, a code and a cause", () => {
    const cause = new Error("disk full");
    const error = new BertCnnError("ERR_IO", "Could not write x", { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "BertCnnError",
      code: "ERR_IO",
      message: "Could not write x",
      cause,
    });
    expect(String(error)).toBe("BertCnnError: Could not write x");
  });

  it("carries only codes that docs/errors.md explains", () => {
    const page = readFileSync(path.join(__dirname, "../../docs/errors.md"), "utf8");
    const explained = [...page.matchAll(/^\| `(ERR_\w+)` +\|/gm)].map((match) => match[1]);
    expect(explained).toEqual(errorCodes);
  });
});

describe("an error of the addon", () => {
  it("has a code that is known here", () => {
    const root = path.join(__dirname, "../..");
    const thrown = new Set<string>();
    for (const room of ["native", "binding"]) {
      for (const file of readdirSync(path.join(root, room), {
        recursive: true,
        encoding: "utf8",
      })) {
        if (!/\.(cc|h)$/.test(file)) continue;
        const source = readFileSync(path.join(root, room, file), "utf8");
        for (const [, code] of source.matchAll(/"(ERR_[A-Z_]+)"/g)) thrown.add(code!);
      }
    }
    expect(thrown).toContain("ERR_IO");
    expect([...thrown].filter((code) => !(errorCodes as readonly string[]).includes(code))).toEqual(
      [],
    );
  });

  it("keeps its code and message and becomes the cause", () => {
    const native = Object.assign(new Error("no such file"), { code: "ERR_FILE_NOT_FOUND" });
    expect(toBertCnnError(native)).toMatchObject({
      code: "ERR_FILE_NOT_FOUND",
      message: "no such file",
      cause: native,
    });
  });

  it("is recognised when it comes from another realm", () => {
    const foreign: unknown = vm.runInNewContext(
      'Object.assign(new Error("full"), { code: "ERR_QUEUE_FULL" })',
    );
    expect(foreign).not.toBeInstanceOf(Error);
    expect(toBertCnnError(foreign)).toMatchObject({ code: "ERR_QUEUE_FULL", message: "full" });
  });

  it("is an internal error when its code is unknown or missing", () => {
    const unknown = Object.assign(new Error("odd"), { code: "ERR_SOMETHING" });
    expect(toBertCnnError(unknown).code).toBe("ERR_INTERNAL");
    expect(toBertCnnError(new Error("odd")).code).toBe("ERR_INTERNAL");
    expect(toBertCnnError("odd")).toMatchObject({ code: "ERR_INTERNAL", message: "odd" });
    expect(toBertCnnError(null)).toMatchObject({ code: "ERR_INTERNAL", message: "null" });
  });

  it("does not take an inherited property's name for a code", () => {
    const sly = Object.assign(new Error("sly"), { code: "toString" });
    expect(toBertCnnError(sly).code).toBe("ERR_INTERNAL");
  });

  it("is left as it is when it is one of ours already", () => {
    const error = new BertCnnError("ERR_TIMEOUT", "late");
    expect(toBertCnnError(error)).toBe(error);
  });
});
