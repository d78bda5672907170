import { getEventListeners } from "node:events";

import { throwIfAborted, whetherCancelled, whicheverFirst } from "../../src/calls.cjs";
import { BertCnnError } from "../../src/errors.cjs";
import { deferred } from "./support/fake-native.cjs";
import { expectError, reasonOf } from "./support/rejection.cjs";

const cancelledError = new BertCnnError("ERR_CANCELLED", "cancelled");
const turn = () => new Promise(setImmediate);
const listeners = (signal: AbortSignal) => getEventListeners(signal, "abort").length;

describe("a signal", () => {
  it("that is aborted throws its own reason", () => {
    const reason = { why: "tired" };
    expect(() => {
      throwIfAborted(AbortSignal.abort(reason));
    }).toThrow(expect.objectContaining(reason) as Error);
    throwIfAborted(new AbortController().signal);
    throwIfAborted(undefined);
  });
});

describe("whichever comes first", () => {
  it("is the work, and neither listener nor timer stays", async () => {
    jest.useFakeTimers();
    const { signal } = new AbortController();
    const cancel = jest.fn();
    const work = whicheverFirst(Promise.resolve(7), cancel, { signal, timeout: 1000 });
    expect(listeners(signal)).toBe(1);
    await expect(work).resolves.toBe(7);
    expect(listeners(signal)).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
    expect(cancel).not.toHaveBeenCalled();
    jest.useRealTimers();
  });

  it("is the failure of the work, and neither listener nor timer stays", async () => {
    jest.useFakeTimers();
    const { signal } = new AbortController();
    const work = whicheverFirst(Promise.reject(cancelledError), jest.fn(), {
      signal,
      timeout: 1000,
    });
    expect(await reasonOf(work)).toBe(cancelledError);
    expect(listeners(signal)).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  it("is the signal: its reason at once, and the work is cancelled", async () => {
    const controller = new AbortController();
    const never = deferred<number>();
    const cancel = jest.fn();
    const work = whicheverFirst(never.promise, cancel, { signal: controller.signal });
    const reason = new Error("enough");
    controller.abort(reason);
    expect(cancel.mock.calls).toEqual([[false]]);
    expect(await reasonOf(work)).toBe(reason);
    expect(listeners(controller.signal)).toBe(0);
    never.reject(cancelledError); // must not become an unhandled rejection
  });

  it("is the signal for each of its calls that is left, by one listener for all", async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const [done, left] = [deferred<number>(), deferred<number>()];
    const works = [done, left].map(({ promise }) => whicheverFirst(promise, jest.fn(), { signal }));
    expect(listeners(signal)).toBe(1);
    done.resolve(1);
    await expect(works[0]).resolves.toBe(1);
    expect(listeners(signal)).toBe(1);
    controller.abort("enough");
    expect(await reasonOf(works[1]!)).toBe("enough");
    expect(listeners(signal)).toBe(0);
  });

  it("is the timeout, which cancels and leaves no listener", async () => {
    jest.useFakeTimers();
    const { signal } = new AbortController();
    const cancel = jest.fn();
    const work = whicheverFirst(deferred().promise, cancel, { signal, timeout: 250 });
    const outcome = expectError(work, "ERR_TIMEOUT", "250 ms");
    jest.advanceTimersByTime(249);
    expect(cancel).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    await outcome;
    expect(cancel.mock.calls).toEqual([[true]]);
    expect(listeners(signal)).toBe(0);
    jest.useRealTimers();
  });

  it("is the work itself without limits", () => {
    const work = Promise.resolve(1);
    expect(whicheverFirst(work, jest.fn(), {})).toBe(work);
  });
});

it("a signal that cannot be listened to ends the call, whose failure is nobody's any more", async () => {
  const signal = {
    aborted: false,
    addEventListener() {
      throw new Error("deaf");
    },
    removeEventListener: () => undefined,
  } as unknown as AbortSignal;
  for (const wait of [
    (work: Promise<number>, cancel: () => void) => whicheverFirst(work, cancel, { signal }),
    (work: Promise<number>, cancel: () => void) => whetherCancelled(work, cancel, signal),
  ]) {
    const { promise, reject } = deferred<number>();
    const cancel = jest.fn();
    await expect(wait(promise, cancel)).rejects.toThrow("deaf");
    expect(cancel).toHaveBeenCalledTimes(1);
    reject(new Error("dropped")); // an unhandled rejection would fail the run
    await turn();
  }
});

describe("whether a call was cancelled", () => {
  it("is told by the work, not by the signal: what was done resolves", async () => {
    const controller = new AbortController();
    const { promise, resolve } = deferred<number>();
    const cancel = jest.fn();
    const work = whetherCancelled(promise, cancel, controller.signal);
    controller.abort();
    expect(cancel).toHaveBeenCalledTimes(1);
    resolve(3);
    await expect(work).resolves.toBe(3);
    expect(listeners(controller.signal)).toBe(0);
  });

  it("shows in the signal's reason", async () => {
    const controller = new AbortController();
    const { promise, reject } = deferred<number>();
    const work = whetherCancelled(promise, jest.fn(), controller.signal);
    controller.abort("stop");
    reject(cancelledError);
    expect(await reasonOf(work)).toBe("stop");
  });

  it("leaves other failures as they are", async () => {
    const failure = new BertCnnError("ERR_OUT_OF_MEMORY", "full");
    const { signal } = new AbortController();
    const work = whetherCancelled(Promise.reject(failure), jest.fn(), signal);
    expect(await reasonOf(work)).toBe(failure);
    expect(listeners(signal)).toBe(0);
  });
});
