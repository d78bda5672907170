import { BertCnnError } from "./errors.cjs";

/** What may end a call before its result is there. */
export interface Limits {
  signal?: AbortSignal | undefined;
  /** milliseconds */
  timeout?: number | undefined;
}

/** Gives up a call; `timedOut` says why. */
export type Cancel = (timedOut: boolean) => void;

/** Throws the reason of a signal that is already aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  // Not signal.throwIfAborted(): polyfilled signals may lack it.
  if (signal?.aborted) throw signal.reason;
}

interface Audience {
  callbacks: Set<() => void>;
  listener: () => void;
}

const audiences = new WeakMap<AbortSignal, Audience>();

/**
 * Calls back when the signal aborts; returns what ends that. A signal gets one listener however many calls
 * it serves, since Node takes more than ten for a leak and warns.
 */
function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const { callbacks, listener } = audiences.get(signal) ?? gather(signal);
  callbacks.add(callback);
  return () => {
    callbacks.delete(callback);
    if (callbacks.size > 0) return;
    signal.removeEventListener("abort", listener);
    audiences.delete(signal);
  };
}

function gather(signal: AbortSignal): Audience {
  const callbacks = new Set<() => void>();
  const listener = () => {
    for (const callback of callbacks) callback();
  };
  const audience = { callbacks, listener };
  signal.addEventListener("abort", listener);
  audiences.set(signal, audience);
  return audience;
}

/** As {@link onAbort}; where the signal refuses to be listened to, nobody waits for the work. */
function listen<T>(
  signal: AbortSignal,
  callback: () => void,
  work: Promise<T>,
  cancel: Cancel,
): () => void {
  try {
    return onAbort(signal, callback);
  } catch (error) {
    work.catch(() => undefined);
    cancel(false);
    throw error;
  }
}

/**
 * The outcome of `work`, unless a limit is reached first: then the reason of that limit at once, and
 * `cancel` is called. Neither a listener nor a timer is left behind.
 */
export function whicheverFirst<T>(work: Promise<T>, cancel: Cancel, limits: Limits): Promise<T> {
  const { signal, timeout } = limits;
  if (signal === undefined && timeout === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const reached = () => {
      giveUp(signal?.reason, false);
    };
    const stopListening = signal && listen(signal, reached, work, cancel);
    const timer =
      timeout &&
      setTimeout(() => {
        const message = `The call took longer than its timeout of ${String(timeout)} ms`;
        giveUp(new BertCnnError("ERR_TIMEOUT", message), true);
      }, timeout);
    const tidy = () => {
      clearTimeout(timer);
      stopListening?.();
    };
    const giveUp = (reason: unknown, timedOut: boolean) => {
      tidy();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller's own reason
      reject(reason);
      cancel(timedOut);
    };
    work.finally(tidy).then(resolve, reject);
  });
}

/**
 * The outcome of `work`, whatever the signal: an abort asks for cancelling and waits for the answer, so
 * that a rejection with the signal's reason means that nothing was done.
 */
export async function whetherCancelled<T>(
  work: Promise<T>,
  cancel: Cancel,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work;
  const aborted = () => {
    cancel(false);
  };
  const stopListening = listen(signal, aborted, work, cancel);
  try {
    return await work;
  } catch (error) {
    if (error instanceof BertCnnError && error.code === "ERR_CANCELLED") throwIfAborted(signal);
    throw error;
  } finally {
    stopListening();
  }
}
