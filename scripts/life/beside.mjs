// Other native addons in the same process: beside.mjs TASK, whose `order` says who is loaded first. Prints a JSON line.
import { createRequire } from "node:module";
import path from "node:path";

const { directory, packages, order } = JSON.parse(process.argv[2]);

/** An ONNX graph that multiplies two numbers, written by hand: onnx.proto's fields, by number. */
function productGraph() {
  const field = (number, bytes) =>
    Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
  const integer = (number, value) => Buffer.from([number << 3, value]);
  const text = (number, value) => field(number, Buffer.from(value));
  const shape = field(2, field(1, integer(1, 1))); // one dimension of size 1
  const type = field(2, field(1, Buffer.concat([integer(1, 1), shape]))); // of float32
  const value = (name) => Buffer.concat([text(1, name), type]);
  const node = Buffer.concat([text(1, "a"), text(1, "b"), text(2, "c"), text(4, "Mul")]);
  const graph = Buffer.concat([
    ...[field(1, node), text(2, "product")],
    ...[field(11, value("a")), field(11, value("b")), field(12, value("c"))],
  ]);
  const opset = field(8, integer(2, 13));
  return Buffer.concat([integer(1, 8), field(7, graph), opset]);
}

const LOADERS = {
  bertcnn: async () => {
    const { BertCnn } = await import("../../dist/index.js");
    const options = { labels: ["bad", "good"], variant: "frozen", seed: 1, threads: 2 };
    const model = await BertCnn.fromPretrained(directory, options);
    return async () => ({ logits: Array.from((await model.predict(["good", "bad"])).logits.data) });
  },
  neighbours: async () => {
    const require = createRequire(path.join(packages, "x.js"));
    const ort = require("onnxruntime-node");
    const sharp = require("sharp");
    const session = await ort.InferenceSession.create(productGraph());
    return async () => {
      const feeds = {
        a: new ort.Tensor("float32", [2], [1]),
        b: new ort.Tensor("float32", [3], [1]),
      };
      const { c } = await session.run(feeds);
      const picture = sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } });
      const { info } = await picture.resize(8).png().toBuffer({ resolveWithObject: true });
      return { product: c.data[0], width: info.width };
    };
  },
};

const uses = [];
for (const name of order) uses.push(await LOADERS[name]());
let result = {};
for (let i = 0; i < 5; i++) {
  for (const seen of await Promise.all(uses.map((use) => use()))) result = { ...result, ...seen };
}
console.log(JSON.stringify(result));
