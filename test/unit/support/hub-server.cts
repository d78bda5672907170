import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A file of the served model. A large one lies on the file store, as the hub's LFS files do. */
export interface ServedFile {
  bytes: Buffer;
  large?: boolean;
  /** What the hub says of it, where that is not true. */
  etag?: string;
  size?: number;
}

/** A request as it came in. */
export interface Seen {
  where: "hub" | "store";
  method: string;
  url: string;
  authorization: string | undefined;
  range: string | undefined;
}

/** Answers a request in the server's place; false: did not. */
export type Answer = (seen: Seen, response: ServerResponse) => boolean;

export const COMMIT = "0123456789abcdef0123456789abcdef01234567";

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The name that git gives to a file's bytes. */
export function gitHash(bytes: Buffer): string {
  const header = `blob ${String(bytes.length)}\0`;
  return createHash("sha1").update(header).update(bytes).digest("hex");
}

export function etagOf({ bytes, large }: ServedFile): string {
  return large ? sha256(bytes) : gitHash(bytes);
}

/** The Hugging Face hub as far as a model's files go, and its file store on a port of its own. */
export class HubServer {
  readonly files = new Map<string, ServedFile>();
  readonly seen: Seen[] = [];
  commit = COMMIT;
  /** The model's id; under its old name the hub redirects to it. */
  id = "org/tiny";
  oldId = "tiny-of-old";
  /** Asked before the server answers itself. */
  answer: Answer = () => false;
  readonly #hub: Server = createServer((request, response) => {
    this.#handle("hub", request, response);
  });
  readonly #store: Server = createServer((request, response) => {
    this.#handle("store", request, response);
  });

  async start(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  /** Requests for the bytes of a file. */
  fetched(file: string): Seen[] {
    const { bytes } = this.files.get(file)!;
    return this.seen.filter(
      ({ method, url }) =>
        method === "GET" && (url.includes(sha256(bytes)) || url.endsWith(`/${file}`)),
    );
  }

  #handle(where: Seen["where"], request: IncomingMessage, response: ServerResponse): void {
    const { authorization, range } = request.headers;
    const seen = { where, method: request.method!, url: request.url!, authorization, range };
    this.seen.push(seen);
    if (this.answer(seen, response)) return;
    if (where === "store") this.#sendStored(seen, response);
    else this.#serve(seen, response);
  }

  #serve(seen: Seen, response: ServerResponse): void {
    const { url } = seen;
    if (url.includes(`/${this.oldId}/`)) {
      response.writeHead(307, { location: url.replace(this.oldId, this.id) }).end();
      return;
    }
    const api = new RegExp(`^/api/models/${this.id}/revision/`);
    if (api.test(url)) {
      const siblings = [...this.files.keys()].map((rfilename) => ({ rfilename }));
      response.end(JSON.stringify({ sha: this.commit, siblings }));
      return;
    }
    const name = new RegExp(`^/${this.id}/resolve/(?:main|${this.commit})/(.*)$`).exec(url)?.[1];
    const file = name === undefined ? undefined : this.files.get(decodeURIComponent(name));
    if (!file) {
      const headers = { "x-repo-commit": this.commit, "x-error-code": "EntryNotFound" };
      response.writeHead(404, { ...headers, "x-error-message": "Entry not found" }).end();
      return;
    }
    this.#serveFile(file, seen, response);
  }

  #serveFile(file: ServedFile, seen: Seen, response: ServerResponse): void {
    const etag = `"${file.etag ?? etagOf(file)}"`;
    const size = file.size ?? file.bytes.length;
    response.setHeader("x-repo-commit", this.commit);
    if (!file.large) {
      response.setHeader("etag", etag);
      send({ ...file, size }, seen, response);
      return;
    }
    const location = `${addressOf(this.#store)}/${sha256(file.bytes)}?signature=secret`;
    const linked = { "x-linked-etag": etag, "x-linked-size": String(size) };
    response.writeHead(302, { location, etag: '"of-the-pointer"', ...linked }).end();
  }

  #sendStored(seen: Seen, response: ServerResponse): void {
    const files = [...this.files.values()];
    const file = files.find(({ bytes }) => seen.url.startsWith(`/${sha256(bytes)}?`))!;
    send({ bytes: file.bytes }, seen, response);
  }
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

/** Sends a file, or the part of it that was asked for. */
export function send({ bytes, size }: ServedFile, seen: Seen, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(seen.range ?? "")?.[1] ?? 0);
  const part = bytes.subarray(start);
  if (seen.range !== undefined) {
    response.statusCode = start < bytes.length ? 206 : 416;
    const [last, all] = [String(bytes.length - 1), String(bytes.length)];
    response.setHeader("content-range", `bytes ${String(start)}-${last}/${all}`);
  }
  // A wrong size is told by HEAD only: Node's own server would not send it.
  const told = seen.method === "HEAD" ? (size ?? bytes.length) : part.length;
  response.setHeader("content-length", told);
  response.end(seen.method === "HEAD" ? undefined : part);
}

/** Sends the headers of all that was asked for, `length` bytes of it, and then no more. */
export function sendPart(bytes: Buffer, length: number, seen: Seen, response: ServerResponse) {
  const start = Number(/^bytes=(\d+)-$/.exec(seen.range ?? "")?.[1] ?? 0);
  if (seen.range !== undefined) {
    response.statusCode = 206;
    response.setHeader("content-range", `bytes ${String(start)}-/${String(bytes.length)}`);
  }
  response.setHeader("content-length", bytes.length - start);
  response.write(bytes.subarray(start, start + length));
}
