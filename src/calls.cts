import { BertCnnError } from "./errors.cjs";

/** What may end a call before its result is there. */
export interface Limits {
  signal?: AbortSignal | undefined;
  /** milliseconds */
  timeout?: number | undefined;
}

/** Throws the reason of a signal that is already aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  // Not signal.throwIfAborted(): polyfilled signals may lack it.
  if (signal?.aborted) throw signal.reason;
}

/**
 * The outcome of `work`, unless a limit is reached first: then the reason of that limit at once, and
 * `cancel` is called. Neither a listener nor a timer is left behind.
 */
export function whicheverFirst<T>(
  work: Promise<T>,
  cancel: () => void,
  limits: Limits,
): Promise<T> {
  const { signal, timeout } = limits;
  if (signal === undefined && timeout === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const tidy = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const giveUp = (reason: unknown) => {
      tidy();
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- the caller's own reason
      reject(reason);
      cancel();
    };
    const onAbort = () => {
      giveUp(signal?.reason);
    };
    const onTimeout = () => {
      const message = `The call took longer than its timeout of ${String(timeout)} ms`;
      giveUp(new BertCnnError("ERR_TIMEOUT", message));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    if (timeout !== undefined) timer = setTimeout(onTimeout, timeout);
    work.finally(tidy).then(resolve, reject);
  });
}

/**
 * The outcome of `work`, whatever the signal: an abort asks for cancelling and waits for the answer, so
 * that a rejection with the signal's reason means that nothing was done.
 */
export async function whetherCancelled<T>(
  work: Promise<T>,
  cancel: () => void,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return work;
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return await work;
  } catch (error) {
    if (error instanceof BertCnnError && error.code === "ERR_CANCELLED") throwIfAborted(signal);
    throw error;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}
