import { readFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout } from "node:timers/promises";

import { BertCnnError, type BertCnnErrorCode } from "./errors.cjs";
import { huggingFaceHome, setting } from "./hub-cache.cjs";

/** What the hub says of a file before it is fetched. */
export interface RemoteFile {
  url: string;
  /** The name of the blob: of a large file the SHA-256, of others git's SHA-1. */
  etag: string;
  /** bytes; null where the hub does not say */
  size: number | null;
}

/** A failure that may pass: {@link persist} tries again. */
export class PassingFailure extends Error {
  /**
   * @param error - what to throw in the end
   * @param wait - milliseconds that the server asks for
   */
  constructor(
    readonly error: BertCnnError,
    readonly wait?: number,
  ) {
    super(error.message);
  }
}

const ATTEMPTS = 3;
const FIRST_WAIT = 500; // ms, doubled each time
const LONGEST_WAIT = 60_000; // ms; a server that asks for more is reported

/**
 * Repeats what fails for reasons that may pass. Attempts that bring `measure` to where it never was do not
 * count: a download over a bad line goes on as long as it gets on.
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal,
  measure: () => Promise<number> = () => Promise.resolve(0),
): Promise<T> {
  let best = await measure();
  for (let failures = 0; ;) {
    try {
      return await attempt();
    } catch (failure) {
      if (!(failure instanceof PassingFailure)) throw failure;
      const reached = await measure();
      failures = reached > best ? 0 : failures + 1;
      if (failures === ATTEMPTS) throw failure.error;
      best = Math.max(best, reached);
      const wait = failure.wait ?? (failures === 0 ? 0 : FIRST_WAIT * 2 ** (failures - 1));
      if (wait > LONGEST_WAIT) throw failure.error;
      await setTimeout(wait, undefined, { signal });
    }
  }
}

/** The hub's address, without a slash at the end. */
export function endpoint(): string {
  const given = setting("HF_ENDPOINT") ?? "https://huggingface.co";
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password || url.search) {
    // Not shown: it may hold a password.
    throw new BertCnnError(
      "ERR_INVALID_ARGUMENT",
      "Expected HF_ENDPOINT to be an http or https address without user, password and query",
    );
  }
  return given.replace(/\/+$/, "");
}

async function token(): Promise<string | undefined> {
  const file = setting("HF_TOKEN_PATH") ?? path.join(huggingFaceHome(), "token");
  const given =
    setting("HF_TOKEN") ??
    setting("HUGGING_FACE_HUB_TOKEN") ??
    ((await readFile(file, "utf8").catch(() => "")).trim() || undefined);
  // Checked here, since fetch would show it in its own message.
  if (given !== undefined && !/^[\x21-\x7e]+$/.test(given)) {
    throw new BertCnnError(
      "ERR_ACCESS_DENIED",
      "The Hugging Face token (HF_TOKEN or the token file) holds characters that no token has",
    );
  }
  return given;
}

/** Milliseconds, from seconds or a date. */
function retryAfter(response: Response): number | undefined {
  const text = response.headers.get("retry-after");
  if (text === null) return undefined;
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(wait, 0);
}

function refusal(response: Response, what: string): BertCnnError | PassingFailure {
  const { status, headers } = response;
  const said = headers.get("x-error-message")?.slice(0, 300);
  const fail = (code: BertCnnErrorCode, reason: string) =>
    new BertCnnError(
      code,
      `The hub refused ${what} (HTTP ${String(status)}): ${reason}` + (said ? `. ${said}` : ""),
    );
  if (status === 401) {
    return fail(
      "ERR_ACCESS_DENIED",
      "there is no such model, or it is private or gated; then HF_TOKEN has to hold a valid token",
    );
  }
  if (status === 403) {
    return fail(
      "ERR_ACCESS_DENIED",
      "the token of HF_TOKEN has no access; a gated model's terms are accepted on its page",
    );
  }
  if (status === 404) return fail("ERR_FILE_NOT_FOUND", "there is no such model, revision or file");
  if (status === 429) {
    const wait = retryAfter(response);
    const advice = wait === undefined ? "" : `; try again in ${String(Math.ceil(wait / 1000))} s`;
    return new PassingFailure(fail("ERR_NETWORK", `too many requests${advice}`), wait);
  }
  const error = fail("ERR_NETWORK", "the server could not serve it");
  return status >= 500 ? new PassingFailure(error, retryAfter(response)) : error;
}

/** An error on the way, told with the reason that `fetch` hides in its cause. */
export function connectionFailure(what: string, cause: unknown): PassingFailure {
  const { message, cause: inner } = Object(cause) as { message?: unknown; cause?: unknown };
  const { code, message: reason } = Object(inner) as { code?: unknown; message?: unknown };
  const told = [code, reason, message].find((text) => typeof text === "string" && text !== "");
  return new PassingFailure(
    new BertCnnError("ERR_NETWORK", `The connection failed for ${what}: ${String(told)}`, {
      cause,
    }),
  );
}

/**
 * One request. The token goes to the hub only: `fetch` drops it where a redirect leads to another origin.
 *
 * @param what - for messages; a redirect's own address may be signed, and is not shown
 */
export async function request(
  url: string,
  what: string,
  init: RequestInit,
  signal: AbortSignal,
): Promise<Response> {
  const secret = await token();
  // Sizes and ranges are those of the file itself.
  const headers = new Headers({ "user-agent": "bertcnn", "accept-encoding": "identity" });
  if (secret !== undefined) headers.set("authorization", `Bearer ${secret}`);
  new Headers(init.headers).forEach((value, name) => {
    headers.set(name, value);
  });
  const response = await fetch(url, { ...init, headers, signal }).catch((error: unknown) => {
    throw signal.aborted ? error : connectionFailure(what, error);
  });
  // Refused ranges are the business of the one who asked for a range.
  if (response.status < 400 || response.status === 416) return response;
  await response.body?.cancel();
  throw refusal(response, what);
}

const MOST_REDIRECTS = 5;

/** The last answer before the way leads off the hub: only the hub's own headers describe the file. */
async function headOnHub(url: string, what: string, signal: AbortSignal): Promise<Response> {
  let at = url;
  for (let redirects = 0; redirects < MOST_REDIRECTS; redirects++) {
    const response = await request(at, what, { method: "HEAD", redirect: "manual" }, signal);
    const location = response.headers.get("location") ?? "";
    // A renamed model's address is relative, a file store's is not.
    if (response.status < 300 || !/^\/(?!\/)/.test(location)) return response;
    at = new URL(location, at).href;
  }
  throw new BertCnnError("ERR_NETWORK", `The hub redirects without end for ${what}`);
}

/** What the hub knows of a file. */
export async function describe(
  url: string,
  what: string,
  signal: AbortSignal,
): Promise<RemoteFile> {
  const { headers } = await persist(() => headOnHub(url, what, signal), signal);
  const given = headers.get("x-linked-etag") ?? headers.get("etag") ?? "";
  const etag = given.replace(/^W\//, "").replaceAll('"', "");
  // It becomes a file's name.
  if (!/^[\w-]{1,200}$/.test(etag)) {
    throw new BertCnnError(
      "ERR_NETWORK",
      `The hub gave no usable ETag for ${what} but ${JSON.stringify(given.slice(0, 100))}`,
    );
  }
  const size = headers.get("x-linked-size") ?? headers.get("content-length") ?? "";
  return { url, etag, size: /^\d+$/.test(size) ? Number(size) : null };
}
