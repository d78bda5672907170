#include "engine/failure.h"

#include <exception>
#include <memory>
#include <new>

namespace bertcnn::engine {

Failure make_failure(const char* code, const std::string& message) {
  return std::make_shared<const Error>(code, message);
}

namespace {

Failure copy_of_current() {
  try {
    throw;
  } catch (const Error& error) {
    return std::make_shared<const Error>(error);
  } catch (const std::bad_alloc&) {
    return out_of_memory_failure();
  } catch (const std::exception& error) {
    return make_failure("ERR_INTERNAL", error.what());
  } catch (...) {
    return make_failure("ERR_INTERNAL", "An exception of an unknown type");
  }
}

}  // namespace

const Failure& disposed_failure() {
  // Never freed, as the others: used until the process's very end.
  static const Failure& failure =
      *new Failure(make_failure("ERR_DISPOSED", "The model is disposed: load it again to use it"));
  return failure;
}

const Failure& cancelled_failure() {
  static const Failure& failure =
      *new Failure(make_failure("ERR_CANCELLED", "The call was cancelled"));
  return failure;
}

const Failure& out_of_memory_failure() {
  static const Failure& failure = *new Failure(
      make_failure("ERR_OUT_OF_MEMORY",
                   "Not enough memory for this call; smaller batches (maxBatchTokens, fewer rows a "
                   "training step) need less"));
  return failure;
}

void make_failures() {
  disposed_failure();
  cancelled_failure();
  out_of_memory_failure();
}

Failure current_failure() noexcept {
  try {
    return copy_of_current();
  } catch (...) {  // not even the memory to say what failed
    return out_of_memory_failure();
  }
}

}  // namespace bertcnn::engine
