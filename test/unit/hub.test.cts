import { fork, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  cp,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import path from "node:path";

import ts from "typescript";

import { endpoint } from "../../src/hub-request.cjs";
import { isModelId, readSource, type Wanted } from "../../src/hub.cjs";
import { BertCnn, Tokenizer, type DownloadProgress, type HubOptions } from "../../src/index.cjs";
import { replaceNativeModule } from "../../src/native-module.cjs";
import { FakeNative } from "./support/fake-native.cjs";
import { COMMIT, etagOf, HubServer, send, sendPart, sha256 } from "./support/hub-server.cjs";
import { errorOf, expectError, reasonOf } from "./support/rejection.cjs";

const weights = randomBytes(300_000);
const half = weights.length / 2;
const environment = { ...process.env };
let folder: string;
let cache: string;
let hub: HubServer;

const find = (options: HubOptions = {}, wanted: Wanted = "model", id = hub.id) =>
  readSource(id, wanted, options);
const model = (...parts: string[]) => path.join(cache, "models--org--tiny", ...parts);
const snapshot = (...parts: string[]) => model("snapshots", COMMIT, ...parts);
const text = (content: string) => ({ bytes: Buffer.from(content) });
const requests = () => hub.seen.map(({ where, method, url }) => `${where} ${method} ${url}`);

/** What others left in the folder of blobs, by the endings of names. */
async function partials(): Promise<string[]> {
  return (await readdir(model("blobs"))).filter((name) => name.endsWith(".incomplete"));
}

/** By the hash: Jest takes minutes to show how large buffers differ. */
async function expectBytes(file: string, bytes: Buffer): Promise<void> {
  expect(sha256(await readFile(file))).toBe(sha256(bytes));
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "bertcnn-hub-"));
  cache = path.join(folder, "cache");
  hub = new HubServer();
  await hub.start();
  hub.files
    .set("README.md", text("# tiny"))
    .set("config.json", text('{"model_type":"bert"}'))
    .set("tokenizer.json", text("{}"))
    .set("tokenizer_config.json", text('{"do_lower_case":true}'))
    .set("vocab.txt", text("[PAD]\n"))
    .set("pytorch_model.bin", { bytes: randomBytes(10), large: true })
    .set("model.safetensors", { bytes: weights, large: true });
  const others = Object.entries(environment).filter(([name]) => !/^HF_|^HUGG/.test(name));
  process.env = Object.fromEntries(others);
  process.env["HF_HUB_OFFLINE"] = "";
  process.env["HF_ENDPOINT"] = hub.endpoint;
  process.env["HF_HOME"] = path.join(folder, "home");
  process.env["HF_HUB_CACHE"] = cache;
});

afterEach(async () => {
  process.env = { ...environment };
  replaceNativeModule(undefined);
  await hub.stop();
  await rm(folder, { recursive: true });
});

describe("a source", () => {
  it.each(["bert-base-uncased", "org/name", "a.b_c-d/e.f", "b"])("%s can be an id", (source) => {
    expect(isModelId(source)).toBe(true);
  });

  it.each([
    "./a",
    "../a",
    "/a",
    "~/a",
    "a/b/c",
    "a/",
    "..",
    "a/..",
    "a--b",
    "-a",
    "",
    "a\\b",
    "a b",
  ])("%s cannot be an id", async (source) => {
    expect(isModelId(source)).toBe(false);
    const code = source === "" ? "ERR_INVALID_ARGUMENT" : "ERR_FILE_NOT_FOUND";
    if (!source.endsWith("..")) await expectError(readSource(source, "model", {}), code);
    expect(hub.seen).toEqual([]);
  });

  it("that is a directory wins over an id", async () => {
    const before = process.cwd();
    await mkdir(path.join(folder, "org", "tiny"), { recursive: true });
    try {
      process.chdir(folder);
      expect(await find()).toBe(path.resolve("org/tiny"));
    } finally {
      process.chdir(before);
    }
    expect(hub.seen).toEqual([]);
  });
});

describe("a model that is not in the cache", () => {
  it("is fetched into Hugging Face's layout", async () => {
    expect(await find()).toBe(snapshot());
    expect((await readdir(snapshot())).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
      "vocab.txt",
    ]);
    for (const name of await readdir(snapshot())) {
      const file = hub.files.get(name)!;
      expect(await readlink(snapshot(name))).toBe(`../../blobs/${etagOf(file)}`);
      await expectBytes(snapshot(name), file.bytes);
    }
    expect(await readFile(model("refs/main"), "utf8")).toBe(COMMIT);
    expect(await readdir(model(".no_exist", COMMIT))).toEqual([
      "added_tokens.json",
      "special_tokens_map.json",
    ]);
    expect((await readdir(model("blobs"))).length).toBe(5);
  });

  it("comes from the cache the next time, without a request", async () => {
    await find();
    hub.seen.length = 0;
    const progress = jest.fn();
    expect(await find({ progress })).toBe(snapshot());
    expect(await find({ revision: COMMIT })).toBe(snapshot());
    expect(hub.seen).toEqual([]);
    expect(progress).not.toHaveBeenCalled();
  });

  it("is found under its old name", async () => {
    const source = await find({}, "model", hub.oldId);
    expect(source).toBe(path.join(cache, "models--tiny-of-old/snapshots", COMMIT));
    await expectBytes(path.join(source, "model.safetensors"), weights);
  });

  it("is asked for by its revision, which the cache keeps", async () => {
    await find({ revision: "refs/pr/1" });
    expect(requests()[0]).toBe("hub GET /api/models/org/tiny/revision/refs%2Fpr%2F1");
    expect(await readFile(model("refs/refs/pr/1"), "utf8")).toBe(COMMIT);
  });

  it("has no ref where the revision is a commit", async () => {
    await find({ revision: COMMIT });
    await expect(readdir(model("refs"))).rejects.toThrow("ENOENT");
  });

  it("tells how far it is", async () => {
    const told: DownloadProgress[] = [];
    await find({ progress: (progress) => told.push(progress) });
    const ours = told.filter(({ file }) => file === "model.safetensors");
    expect(ours[0]).toEqual({ file: "model.safetensors", loaded: 0, total: weights.length });
    expect(ours.at(-1)).toMatchObject({ loaded: weights.length, total: weights.length });
    expect(new Set(told.map(({ file }) => file)).size).toBe(5);
  });

  it("ends with what the callback throws", async () => {
    const oops = new Error("oops");
    const progress = () => {
      throw oops;
    };
    expect(await reasonOf(find({ progress }))).toBe(oops);
  });

  it("is only a tokenizer where only that is asked for, and the rest comes later", async () => {
    expect(await find({}, "tokenizer")).toBe(snapshot());
    expect(await readdir(snapshot())).toEqual([
      "tokenizer.json",
      "tokenizer_config.json",
      "vocab.txt",
    ]);
    await find();
    await expectBytes(snapshot("model.safetensors"), weights);
    expect(hub.fetched("vocab.txt")).toHaveLength(1);
  });

  it("is loaded by BertCnn and Tokenizer", async () => {
    const native = new FakeNative();
    replaceNativeModule(native);
    const progress = jest.fn();
    await BertCnn.fromPretrained(hub.id, { revision: "v1.0", progress, seed: 3 });
    expect(native.loadOptions).toMatchObject({ directory: snapshot(), seed: 3 });
    expect(progress).toHaveBeenCalled();
    native.loadTokenizer = jest.fn(native.loadTokenizer.bind(native));
    await Tokenizer.fromPretrained(hub.id, { revision: "v1.0" });
    expect(native.loadTokenizer).toHaveBeenCalledWith(snapshot());
  });

  it.each(["../main", "a/../b", "", "/a", "a//b", "a\0", "-".repeat(300)])(
    "is refused with the revision %j",
    async (revision) => {
      await expectError(
        Tokenizer.fromPretrained(hub.id, { revision }),
        "ERR_INVALID_ARGUMENT",
        "options.revision",
      );
    },
  );

  it("is refused with something else as progress", async () => {
    const loading = Tokenizer.fromPretrained(hub.id, { progress: 3 as never });
    await expectError(loading, "ERR_INVALID_ARGUMENT", "options.progress");
  });

  it("lies below HF_HOME, XDG_CACHE_HOME or the home folder where HF_HUB_CACHE is not set", async () => {
    delete process.env["HF_HUB_CACHE"];
    process.env["HF_HUB_OFFLINE"] = "1";
    const expectIn = (...place: string[]) =>
      expectError(find(), "ERR_FILE_NOT_FOUND", path.join(...place, "models--org--tiny"));
    process.env["XDG_CACHE_HOME"] = path.join(folder, "xdg");
    await expectIn(folder, "home/hub");
    delete process.env["HF_HOME"];
    await expectIn(folder, "xdg/huggingface/hub");
    delete process.env["XDG_CACHE_HOME"];
    await expectIn(homedir(), ".cache/huggingface/hub");
    process.env["HF_HOME"] = "~/elsewhere";
    await expectIn(homedir(), "elsewhere/hub");
  });
});

describe("weights", () => {
  const index = (...shards: unknown[]) =>
    text(JSON.stringify({ weight_map: Object.fromEntries(shards.entries()) }));

  it.each(["model.safetensors", "pytorch_model.bin"])(
    "of %s in shards are fetched",
    async (name) => {
      hub.files.delete("model.safetensors");
      hub.files.delete("pytorch_model.bin");
      hub.files.set(`${name}.index.json`, index("one", "two", "one"));
      hub.files.set("one", { bytes: Buffer.from("1"), large: true }).set("two", text("2"));
      await find();
      expect(await readFile(snapshot("one"), "utf8")).toBe("1");
      await rm(snapshot("two"));
      process.env["HF_HUB_OFFLINE"] = "yes";
      await expectError(find(), "ERR_FILE_NOT_FOUND", "Missing: two;");
      delete process.env["HF_HUB_OFFLINE"];
      hub.seen.length = 0;
      await find();
      // The blob was still there.
      expect(hub.fetched("two")).toEqual([]);
      expect(await readFile(snapshot("two"), "utf8")).toBe("2");
    },
  );

  it.each([["../../x"], ["/x"], [".."], [""], [3], ["a\0"], ["a\\b"], ["x".repeat(256)], []])(
    "with the shard %j are refused",
    async (...shards) => {
      hub.files.delete("model.safetensors");
      hub.files.set("model.safetensors.index.json", index(...shards));
      await expectError(find(), "ERR_CHECKPOINT_FORMAT", "model.safetensors.index.json");
    },
  );

  it("with an index that is none are refused", async () => {
    hub.files.delete("model.safetensors");
    hub.files.set("model.safetensors.index.json", text("{"));
    await expectError(find(), "ERR_CHECKPOINT_FORMAT", "weight_map");
  });

  it("without one of their shards are refused", async () => {
    hub.files.delete("model.safetensors");
    hub.files.set("model.safetensors.index.json", index("gone"));
    await expectError(find(), "ERR_FILE_NOT_FOUND", "has no gone");
  });

  it("in pytorch_model.bin are taken where there are no others", async () => {
    hub.files.delete("model.safetensors");
    await find();
    expect(await readdir(snapshot())).toContain("pytorch_model.bin");
  });

  it("of another kind are not read", async () => {
    hub.files.delete("model.safetensors");
    hub.files.delete("pytorch_model.bin");
    hub.files.set("tf_model.h5", text("x"));
    await expectError(find(), "ERR_FILE_NOT_FOUND", "org/tiny", "looked for model.safetensors");
    await expect(readdir(model("refs"))).rejects.toThrow("ENOENT");
  });
});

describe("a model without a vocabulary", () => {
  beforeEach(() => {
    hub.files.delete("tokenizer.json");
    hub.files.delete("vocab.txt");
  });

  it("is one", async () => {
    await find();
    hub.seen.length = 0;
    await find();
    expect(hub.seen).toEqual([]);
  });

  it("has no tokenizer", async () => {
    await expectError(find({}, "tokenizer"), "ERR_FILE_NOT_FOUND", "tokenizer.json nor vocab.txt");
  });
});

describe("a cache that Python wrote", () => {
  /** As huggingface_hub leaves it after loading the model and its tokenizer. */
  async function write(...names: string[]): Promise<void> {
    await mkdir(model("blobs"), { recursive: true });
    await mkdir(snapshot(), { recursive: true });
    await mkdir(model("refs"));
    await writeFile(model("refs/main"), COMMIT);
    for (const name of names) {
      const file = hub.files.get(name)!;
      await writeFile(model("blobs", etagOf(file)), file.bytes);
      await symlink(`../../blobs/${etagOf(file)}`, snapshot(name));
    }
  }
  const all = ["config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"];

  it("is used without a request where Python noted what is not there", async () => {
    await write(...all, "pytorch_model.bin");
    await mkdir(model(".no_exist", COMMIT), { recursive: true });
    for (const name of ["added_tokens.json", "special_tokens_map.json"]) {
      await writeFile(model(".no_exist", COMMIT, name), "");
    }
    expect(await find()).toBe(snapshot());
    expect(hub.seen).toEqual([]);
  });

  it("is used offline as it is", async () => {
    process.env["HF_HUB_OFFLINE"] = "1";
    await write(...all, "model.safetensors");
    expect(await find()).toBe(snapshot());
    expect(hub.seen).toEqual([]);
  });

  it("is used as it is where the hub cannot be reached", async () => {
    await write(...all, "model.safetensors");
    await hub.stop();
    expect(await find()).toBe(snapshot());
  });

  it("gets what it lacks, and a link without its blob is none", async () => {
    await write(...all, "model.safetensors");
    await rm(model("blobs", sha256(weights)));
    await find();
    await expectBytes(snapshot("model.safetensors"), weights);
    expect(hub.fetched("config.json")).toEqual([]);
  });

  it("names what it lacks when offline", async () => {
    process.env["HF_HUB_OFFLINE"] = "TRUE";
    await write();
    await expectError(
      find(),
      "ERR_FILE_NOT_FOUND",
      "HF_HUB_OFFLINE",
      "config.json, model.safetensors or ",
      "tokenizer.json or vocab.txt",
      cache,
    );
    await expectError(find({ revision: "v2" }), "ERR_FILE_NOT_FOUND", "all of it");
    expect(hub.seen).toEqual([]);
  });

  it("does not lead elsewhere by its refs", async () => {
    await write();
    await writeFile(model("refs/main"), "../../../elsewhere");
    process.env["HF_HUB_OFFLINE"] = "1";
    await expectError(find(), "ERR_FILE_NOT_FOUND", "all of it");
  });

  it("that cannot be written is an error of the system", async () => {
    await mkdir(model(), { recursive: true });
    await writeFile(model("blobs"), "a file");
    await expectError(find(), "ERR_IO", "Hugging Face cache");
    await rm(model("blobs"));
    await writeFile(model(".no_exist"), "a file");
    await mkdir(snapshot("config.json.d"), { recursive: true });
    expect(await find()).toBe(snapshot());
    // A folder stands where the link goes: nothing is left beside it.
    await rm(snapshot(), { recursive: true });
    await mkdir(path.join(snapshot("x"), "y"), { recursive: true });
    await mkdir(model("refs", "v3", "x"), { recursive: true });
    await expectError(find({ revision: "v3" }), "ERR_IO");
    expect((await readdir(model("refs"))).sort()).toEqual(["main", "v3"]);
  });
});

describe("a download", () => {
  const onStore = (
    act: (turn: number) => ((...args: Parameters<HubServer["answer"]>) => void) | null,
  ) => {
    let turn = 0;
    hub.answer = (seen, response) => {
      const answer = seen.where === "store" ? act(turn++) : null;
      answer?.(seen, response);
      return answer !== null;
    };
  };

  it("goes on by itself where its connection broke", async () => {
    let breakOff: () => unknown;
    onStore((turn) => (seen, response) => {
      sendPart(weights, turn < 5 ? 20_000 : weights.length, seen, response);
      breakOff = () => response.destroy();
    });
    // A break is made when all before it was received: else the sent bytes may be lost with it.
    let next = 20_000;
    const progress = ({ file, loaded }: DownloadProgress) => {
      if (file !== "model.safetensors" || loaded !== next || next > 100_000) return;
      next += 20_000;
      breakOff();
    };
    await find({ progress });
    await expectBytes(snapshot("model.safetensors"), weights);
    const ranges = hub.fetched("model.safetensors").filter(({ where }) => where === "store");
    expect(ranges.map(({ range }) => range)).toEqual([
      undefined,
      ...[1, 2, 3, 4, 5].map((turn) => `bytes=${String(turn * 20_000)}-`),
    ]);
    expect(await partials()).toEqual([]);
  });

  it("that does not get on fails, and is resumed by the next call", async () => {
    let breakOff: (() => unknown) | undefined;
    onStore((turn) => (seen, response) => {
      if (turn > 0) response.destroy();
      else sendPart(weights, half, seen, response);
      breakOff ??= () => response.destroy();
    });
    const progress = ({ file, loaded }: DownloadProgress) => {
      if (file === "model.safetensors" && loaded === half) breakOff?.();
    };
    const finding = find({ progress });
    await expectError(finding, "ERR_NETWORK", "model.safetensors of org/tiny");
    expect(await partials()).toEqual([`${sha256(weights)}.free.incomplete`]);
    await expect(lstat(snapshot("model.safetensors"))).rejects.toThrow("ENOENT");
    await expect(readdir(model("refs"))).rejects.toThrow("ENOENT");
    hub.answer = () => false;
    hub.seen.length = 0;
    const told: DownloadProgress[] = [];
    await find({ progress: (progress) => told.push(progress) });
    expect(told[0]?.loaded).toBe(half);
    expect(hub.fetched("model.safetensors")[0]?.range).toBe(`bytes=${String(half)}-`);
    await expectBytes(snapshot("model.safetensors"), weights);
  });

  /** A partial file in the cache. */
  async function leave(bytes: Buffer, owner = "free"): Promise<string> {
    const file = model("blobs", `${sha256(weights)}.${owner}.incomplete`);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, bytes);
    return file;
  }
  const expectWhole = async () => {
    await find();
    await expectBytes(snapshot("model.safetensors"), weights);
  };
  const ranges = () => hub.fetched("model.safetensors").map(({ range }) => range);

  it("starts anew where the partial file is of something else", async () => {
    await leave(randomBytes(half));
    await expectWhole();
    expect(ranges().at(-1)).toBeUndefined();
    expect(await partials()).toEqual([]);
  });

  it("starts anew where the partial file is too long", async () => {
    await leave(randomBytes(weights.length + 1));
    await expectWhole();
  });

  it("needs no request for a partial file that is whole", async () => {
    await leave(weights);
    await expectWhole();
    expect(ranges()).toEqual([]);
  });

  it("starts anew where the server ignores ranges", async () => {
    await leave(weights.subarray(0, half));
    onStore(() => (seen, response) => {
      send({ bytes: weights }, { ...seen, range: undefined }, response);
    });
    await expectWhole();
  });

  it.each([416, 206])(
    "starts anew where the server does not have the range (%i)",
    async (status) => {
      await leave(weights.subarray(0, half));
      onStore((turn) => (turn === 0 ? (_, response) => response.writeHead(status).end("x") : null));
      await expectWhole();
    },
  );

  it("leaves the file of a writer that may live, and Python's", async () => {
    const others = [
      await leave(weights.subarray(0, half), "elsewhere-1-0"),
      model("blobs", `${sha256(weights)}.incomplete`),
    ];
    await writeFile(others[1]!, "Python's");
    await expectWhole();
    expect(ranges().at(-1)).toBeUndefined();
    for (const file of others) await lstat(file);
  });

  it("that two resume at once is resumed by one", async () => {
    await leave(weights.subarray(0, half));
    await Promise.all([find(), find()]);
    await expectBytes(snapshot("model.safetensors"), weights);
    const resumed = hub.seen.filter(({ where, range }) => where === "store" && range !== undefined);
    expect(resumed).toHaveLength(1);
    expect(await partials()).toEqual([]);
  });

  it("does not mind a partial file that goes away", async () => {
    await mkdir(model("blobs"), { recursive: true });
    await symlink("nowhere", model("blobs", `${sha256(weights)}.elsewhere-1-0.incomplete`));
    await expectWhole();
  });

  it("takes over what was not written to for an hour", async () => {
    const file = await leave(weights.subarray(0, half), "elsewhere-1-0");
    await utimes(file, 1, 1);
    await expectWhole();
    expect(ranges().at(-1)).toBe(`bytes=${String(half)}-`);
  });

  it("with another hash is an error, and nothing of it stays", async () => {
    onStore(() => (seen, response) => {
      send({ bytes: randomBytes(weights.length) }, seen, response);
    });
    await expectError(find(), "ERR_NETWORK", "another hash", "model.safetensors");
    expect(await partials()).toEqual([]);
    await expect(lstat(snapshot("model.safetensors"))).rejects.toThrow("ENOENT");
  });

  it("of a small file is verified, too", async () => {
    hub.files.get("config.json")!.etag = "0".repeat(40);
    await expectError(find(), "ERR_NETWORK", "another hash", "config.json");
  });

  it("is taken as it is where the ETag is no hash", async () => {
    hub.files.get("config.json")!.etag = "5e0-abc";
    await find();
    expect(await readlink(snapshot("config.json"))).toBe("../../blobs/5e0-abc");
  });

  it.each(["../../x", "", "a/b", ".."])("with the ETag %j is refused", async (etag) => {
    hub.files.get("config.json")!.etag = etag;
    await expectError(find(), "ERR_NETWORK", "ETag");
  });

  it("without an ETag is refused", async () => {
    hub.answer = ({ method }, response) => method === "HEAD" && Boolean(response.end());
    await expectError(find(), "ERR_NETWORK", "ETag", "config.json");
  });

  it("with more bytes than the hub said is an error", async () => {
    hub.files.get("model.safetensors")!.size = half;
    await expectError(find(), "ERR_NETWORK", "more bytes");
  });

  it("with fewer bytes than the hub said is an error", async () => {
    hub.files.get("model.safetensors")!.size = weights.length + 1;
    await expectError(find(), "ERR_NETWORK", "model.safetensors");
  });

  it("without a size is verified by its hash, and never resumed", async () => {
    await leave(weights.subarray(0, half));
    hub.answer = ({ where, method, url }, response) => {
      if (where === "store" || method !== "HEAD" || !url.endsWith("model.safetensors"))
        return false;
      response.writeHead(200, { etag: `W/"${sha256(weights)}"` }).end();
      return true;
    };
    const told: DownloadProgress[] = [];
    await find({ progress: (progress) => told.push(progress) });
    expect(told.at(-1)).toEqual({
      file: "model.safetensors",
      loaded: weights.length,
      total: null,
    });
    expect(ranges().at(-1)).toBeUndefined();
  });

  it("of an empty file gives one", async () => {
    hub.files.set("added_tokens.json", text(""));
    await find();
    expect(await readFile(snapshot("added_tokens.json"), "utf8")).toBe("");
  });
});

describe("the token", () => {
  it("goes to the hub and not to the file store", async () => {
    process.env["HF_TOKEN"] = "hf_secret";
    await find();
    const sent = (where: string) =>
      new Set(hub.seen.filter((seen) => seen.where === where).map((seen) => seen.authorization));
    expect(sent("hub")).toEqual(new Set(["Bearer hf_secret"]));
    expect(sent("store")).toEqual(new Set([undefined]));
  });

  it("comes from a file where HF_TOKEN is not set", async () => {
    await mkdir(path.join(folder, "home"));
    await writeFile(path.join(folder, "home/token"), "hf_filed\n");
    await find({}, "tokenizer");
    expect(hub.seen[0]?.authorization).toBe("Bearer hf_filed");
    process.env["HF_TOKEN_PATH"] = path.join(folder, "other");
    await writeFile(process.env["HF_TOKEN_PATH"], "hf_other");
    await find({ revision: "v2" });
    expect(hub.seen.at(-2)?.authorization).toBe("Bearer hf_other");
  });

  it("is in no message", async () => {
    process.env["HF_TOKEN"] = "hf\nsecret";
    const error = await errorOf(find());
    expect(error.code).toBe("ERR_ACCESS_DENIED");
    expect(error.message).not.toContain("secret");
    expect(hub.seen).toEqual([]);
  });
});

describe("the hub's refusal", () => {
  const refuse = (status: number, headers: Record<string, string> = {}, times = Infinity) => {
    hub.answer = (_, response) => {
      if (times-- <= 0) return false;
      response.writeHead(status, headers).end("no");
      return true;
    };
  };

  it.each([
    [401, "ERR_ACCESS_DENIED", "HF_TOKEN"],
    [403, "ERR_ACCESS_DENIED", "terms"],
    [404, "ERR_FILE_NOT_FOUND", "no such model"],
    [418, "ERR_NETWORK", "could not"],
  ] as const)("%i is told at once", async (status, code, part) => {
    refuse(status, { "x-error-message": "said the hub" });
    await expectError(find(), code, part, String(status), hub.id, "no directory", "said the hub");
    expect(hub.seen).toHaveLength(1);
  });

  it.each([429, 500, 503])("%i is waited for", async (status) => {
    refuse(status, { "retry-after": "0" }, 2);
    expect(await find()).toBe(snapshot());
  });

  it.each([429, 503])("%i is told in the end", async (status) => {
    refuse(status, { "retry-after": new Date(0).toUTCString() });
    await expectError(find(), "ERR_NETWORK", String(status));
    expect(hub.seen).toHaveLength(3);
  });

  it("is told at once where it lasts too long", async () => {
    refuse(429, { "retry-after": "3600" });
    await expectError(find(), "ERR_NETWORK", "429", "try again in 3600 s");
    expect(hub.seen).toHaveLength(1);
  });

  it("without a time is waited for, too", async () => {
    refuse(429, {}, 1);
    await find({}, "tokenizer");
    refuse(429, { "retry-after": "soon" }, 1);
    expect(await find({ revision: "v2" })).toBe(snapshot());
  });
});

describe("what answers in the hub's place", () => {
  it.each(["<html>", "null", '{"sha":"../x","siblings":[]}', `{"sha":"${COMMIT}"}`])(
    "%s is told",
    async (answer) => {
      hub.answer = (_, response) => Boolean(response.end(answer));
      await expectError(find(), "ERR_NETWORK", "not a hub's", hub.endpoint);
    },
  );

  it("breaking off, is asked again", async () => {
    let turn = 0;
    hub.answer = (_, response) => {
      if (turn++ > 0) return false;
      response.writeHead(200, { "content-length": 100 });
      response.write("{", () => response.destroy());
      return true;
    };
    expect(await find()).toBe(snapshot());
  });

  it("redirecting without end, is told", async () => {
    hub.answer = ({ method }, response) => {
      if (method !== "HEAD") return false;
      response.writeHead(307, { location: "/again" }).end();
      return true;
    };
    await expectError(find(), "ERR_NETWORK", "without end");
  });

  it("names files that are none of ours, and they are left out", async () => {
    hub.files.set("../../x", text("x")).set("onnx/model.onnx", text("x"));
    await find();
    expect(await readdir(snapshot())).not.toContain("onnx");
  });

  it("is not there, and that is told", async () => {
    await hub.stop();
    await expectError(find(), "ERR_NETWORK", "ECONNREFUSED", "org/tiny");
  });

  it.each(["ftp://x", "nowhere", "http://user:secret@x", "http://x?secret"])(
    "cannot be %s",
    async (address) => {
      process.env["HF_ENDPOINT"] = address;
      const error = await errorOf(find());
      expect(error).toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
      expect(error.message).toContain("HF_ENDPOINT");
      expect(error.message).not.toContain("secret");
    },
  );
});

it("the hub is Hugging Face's where HF_ENDPOINT is not set", () => {
  delete process.env["HF_ENDPOINT"];
  expect(endpoint()).toBe("https://huggingface.co");
});

describe("an abort", () => {
  it("before the start asks for nothing", async () => {
    expect(await reasonOf(find({ signal: AbortSignal.abort("no") }))).toBe("no");
    expect(hub.seen).toEqual([]);
  });

  it("leaves what the next call resumes", async () => {
    hub.answer = (seen, response) => {
      if (seen.where === "hub") return false;
      response.setHeader("content-length", weights.length);
      response.write(weights.subarray(0, half)); // and no more
      return true;
    };
    const controller = new AbortController();
    const progress = ({ file, loaded }: DownloadProgress) => {
      if (file === "model.safetensors" && loaded === half) controller.abort("enough");
    };
    expect(await reasonOf(find({ signal: controller.signal, progress }))).toBe("enough");
    expect(await partials()).toEqual([`${sha256(weights)}.free.incomplete`]);
    hub.answer = () => false;
    await find();
    expect(hub.fetched("model.safetensors").at(-1)?.range).toBe(`bytes=${String(half)}-`);
  });

  it.each(["GET", "HEAD"])("ends a %s that is not answered", async (waiting) => {
    const controller = new AbortController();
    hub.answer = ({ method }) => {
      if (method !== waiting) return false;
      controller.abort("enough");
      return true;
    };
    expect(await reasonOf(find({ signal: controller.signal }))).toBe("enough");
  });

  it("ends waiting for the hub", async () => {
    const controller = new AbortController();
    hub.answer = (_, response) => {
      response.writeHead(429, { "retry-after": "60" }).end();
      setImmediate(() => {
        controller.abort("enough");
      });
      return true;
    };
    expect(await reasonOf(find({ signal: controller.signal }))).toBe("enough");
  });
});

describe("several at once", () => {
  const built = () => path.join(folder, "built");
  const children: ChildProcess[] = [];

  /** The sources as they are, as JavaScript for another process. */
  async function build(): Promise<void> {
    const sources = path.join(__dirname, "../../src");
    await mkdir(built());
    for (const name of await readdir(sources)) {
      if (!name.endsWith(".cts")) continue;
      const { outputText } = ts.transpileModule(await readFile(path.join(sources, name), "utf8"), {
        compilerOptions: {
          module: ts.ModuleKind.CommonJS,
          target: ts.ScriptTarget.ES2022,
        },
      });
      await writeFile(path.join(built(), name.replace(/cts$/, "cjs")), outputText);
    }
    const script = `require("./hub.cjs").readSource(process.argv[2], "model", {}).then(
      (directory) => process.send({ directory }),
      (error) => process.send({ error: String(error) }),
    ).finally(() => process.disconnect());`;
    await writeFile(path.join(built(), "find.cjs"), script);
  }

  function start(): { child: ChildProcess; outcome: Promise<unknown>; end: Promise<unknown> } {
    const child = fork(path.join(built(), "find.cjs"), [hub.id], {
      execArgv: [],
      env: process.env,
    });
    children.push(child);
    return {
      child,
      outcome: new Promise((resolve) => child.once("message", resolve)),
      end: new Promise((resolve) => child.once("exit", resolve)),
    };
  }

  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  it("do not disturb each other in one process", async () => {
    const directories = await Promise.all([find(), find(), find({}, "tokenizer"), find()]);
    expect(new Set(directories)).toEqual(new Set([snapshot()]));
    await expectBytes(snapshot("model.safetensors"), weights);
    expect(await partials()).toEqual([]);
  });

  it("fetch a file once as processes", async () => {
    await build();
    const asked = () =>
      hub.seen.filter(({ method, url }) => method === "HEAD" && url.endsWith("model.safetensors"));
    // It does not get its second half before everybody wants it.
    let finish: (() => void) | undefined;
    hub.answer = (seen, response) => {
      if (seen.where === "store") {
        sendPart(weights, half, seen, response);
        finish = () => response.end(weights.subarray(half));
      }
      if (asked().length === 3) finish?.();
      return seen.where === "store";
    };
    const outcomes = await Promise.all([start(), start(), start()].map(({ outcome }) => outcome));
    expect(outcomes).toEqual(new Array(3).fill({ directory: snapshot() }));
    await expectBytes(snapshot("model.safetensors"), weights);
    expect(hub.seen.filter(({ where }) => where === "store")).toHaveLength(1);
    expect((await readdir(model("blobs"))).length).toBe(5);
    expect((await readdir(snapshot())).length).toBe(5);
  });

  it("fetch a file once in one process", async () => {
    const told = jest.fn(); // by whichever of them fetches
    await Promise.all([1, 2, 3].map(() => find({ progress: told })));
    expect(hub.seen.filter(({ where }) => where === "store")).toHaveLength(1);
    expect(told).toHaveBeenCalledWith({
      file: "model.safetensors",
      loaded: weights.length,
      total: weights.length,
    });
    expect((await readdir(model("blobs"))).length).toBe(5);
  });

  it("do not end with the one that fetches", async () => {
    const controller = new AbortController();
    let second: Promise<string> | undefined;
    hub.answer = (seen, response) => {
      if (seen.where === "hub" || second) return false;
      sendPart(weights, half, seen, response);
      second = find();
      return true;
    };
    const progress = ({ file, loaded }: DownloadProgress) => {
      if (file === "model.safetensors" && loaded === half) controller.abort("enough");
    };
    expect(await reasonOf(find({ signal: controller.signal, progress }))).toBe("enough");
    expect(await second).toBe(snapshot());
    await expectBytes(snapshot("model.safetensors"), weights);
    expect(await partials()).toEqual([]);
  });

  /** The lock of a process on another machine. */
  async function lock(): Promise<string> {
    const file = model("blobs", `${sha256(weights)}.lock`);
    await mkdir(path.dirname(file), { recursive: true });
    await symlink("elsewhere-1-0", file);
    return file;
  }

  it.each([-60_000, 60_000])("do not wait for one that is silent (%i ms)", async (ago) => {
    const silent = new Date(Date.now() + ago);
    await lutimes(await lock(), silent, silent);
    expect(await find()).toBe(snapshot());
    expect((await readdir(model("blobs"))).length).toBe(5);
  });

  it("wait for one that is not silent, until they are aborted", async () => {
    const file = await lock();
    const controller = new AbortController();
    const finding = find({ signal: controller.signal });
    hub.answer = ({ method, url }) => {
      if (method === "HEAD" && url.endsWith("model.safetensors")) {
        setImmediate(() => {
          controller.abort("enough");
        });
      }
      return false;
    };
    expect(await reasonOf(finding)).toBe("enough");
    expect(hub.fetched("model.safetensors")).toEqual([]);
    await lstat(file);
  });

  it("go on with what a killed process left", async () => {
    await build();
    const { child, end } = start();
    hub.answer = (seen, response) => {
      if (seen.where === "hub") return false;
      response.setHeader("content-length", weights.length);
      response.write(weights.subarray(0, half));
      return true;
    };
    const size = async () => {
      const [name] = await partials().catch(() => []);
      return name === undefined ? 0 : (await lstat(model("blobs", name)).catch(() => null))?.size;
    };
    while ((await size()) !== half || (await partials())[0]?.startsWith(sha256(weights)) !== true) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    child.kill("SIGKILL");
    await end;
    hub.answer = () => false;
    await find();
    expect(hub.fetched("model.safetensors").at(-1)?.range).toBe(`bytes=${String(half)}-`);
    expect(await partials()).toEqual([]);
  });

  it("share a folder that was moved", async () => {
    await find();
    await rename(cache, `${cache}-elsewhere`);
    await cp(`${cache}-elsewhere`, cache, { recursive: true, verbatimSymlinks: true });
    process.env["HF_HUB_OFFLINE"] = "1";
    expect(await find()).toBe(snapshot());
  });
});
