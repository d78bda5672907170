/**
 * Bugs that the sanitizers must find: in a copy of the sources `bad` takes the place of `good`, which must be there
 * exactly once, and the report must hold `says`. `npm run test:sanitizers -- --planted` tries them.
 *
 * @type {readonly { kind: "memory" | "threads", room: string, what: string, file: string, good: string, bad: string, says: string }[]}
 */
export const planted = [
  {
    kind: "memory",
    room: "engine",
    what: "a result is written behind its end",
    file: "native/engine/engine_batches.cc",
    good: "prediction.logits.resize(size);",
    bad: "prediction.logits = std::vector<float>(size - 1);",
    says: "heap-buffer-overflow",
  },
  {
    kind: "memory",
    room: "engine",
    what: "an error is never freed",
    file: "native/engine/failure.cc",
    good: "return std::make_shared<const Error>(error);",
    bad: "return Failure(new Error(error), [](const Error*) {});",
    says: "LeakSanitizer: detected memory leaks",
  },
  {
    kind: "threads",
    room: "engine",
    what: "two threads use a flag without the lock",
    file: "native/engine/engine.cc",
    good: "bool Engine::closed() const {\n  const std::lock_guard lock(mutex_);",
    bad: "bool Engine::closed() const {",
    says: "ThreadSanitizer: data race",
  },
];
