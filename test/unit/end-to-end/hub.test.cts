import { readdir, readFile } from "node:fs/promises";
import path from "node:path";

import { BertCnn, Tokenizer } from "../../../src/index.cjs";
import { HubServer } from "../support/hub-server.cjs";
import { fixture, load, temporaryFolder, texts } from "../support/models.cjs";

const environment = { ...process.env };
const hub = new HubServer();

beforeAll(async () => {
  await hub.start();
  for (const name of await readdir(fixture("tiny-frozen"))) {
    const bytes = await readFile(path.join(fixture("tiny-frozen"), name));
    hub.files.set(name, { bytes, large: name.endsWith(".safetensors") });
  }
});

beforeEach(async () => {
  process.env["HF_ENDPOINT"] = hub.endpoint;
  process.env["HF_HUB_CACHE"] = await temporaryFolder();
  delete process.env["HF_HUB_OFFLINE"];
});

afterEach(() => {
  process.env = { ...environment };
});

afterAll(async () => {
  await hub.stop();
});

it("a model by its id is the model of its files", async () => {
  const fetched = await BertCnn.fromPretrained(hub.id, { device: "cpu", threads: 1 });
  const local = await load("tiny-frozen");
  const rows = texts(5);
  const logits = async (model: BertCnn) => (await model.predict(rows)).logits.data;
  try {
    expect(fetched.config).toEqual(local.config);
    expect(await logits(fetched)).toEqual(await logits(local));
  } finally {
    await fetched.dispose();
  }
});

it("a tokenizer by its id is that of its files", async () => {
  const fetched = await Tokenizer.fromPretrained(hub.id);
  const local = await Tokenizer.fromPretrained(fixture("tiny-frozen"));
  expect(fetched.encode("the movie was great")).toEqual(local.encode("the movie was great"));
});
