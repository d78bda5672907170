// An HTTP service: node examples/server.mjs DIRECTORY PORT
//   curl -d '["What a lovely film!"]' localhost:PORT
// Requests that arrive together are computed together; a client that hangs up frees its place in the queue; what
// is too much is refused at once instead of making everybody wait.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

import { BertCnn, BertCnnError } from "bertcnn";

const STATUS = {
  ERR_INVALID_ARGUMENT: 400,
  ERR_QUEUE_FULL: 503,
  ERR_TIMEOUT: 504,
  ERR_DISPOSED: 503,
};

const [directory, port] = process.argv.slice(2);
const model = await BertCnn.fromPretrained(directory, { maxQueueRows: 1000 });

const server = createServer(async (request, response) => {
  const hungUp = new AbortController();
  response.once("close", () => hungUp.abort());
  try {
    const texts = JSON.parse(await text(request));
    const options = { signal: hungUp.signal, timeout: 5000, topK: null };
    reply(response, 200, await model.classify(texts, options));
  } catch (error) {
    const code = error instanceof BertCnnError ? error.code : error.name;
    const status = error instanceof SyntaxError ? 400 : (STATUS[code] ?? 500);
    reply(response, status, { code, message: error.message });
  }
});
server.listen(Number(port), () => console.log(`listening on ${server.address().port}`));

process.once("SIGTERM", () => {
  server.close(() => model.dispose()); // after the requests that are under way
});

function reply(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
