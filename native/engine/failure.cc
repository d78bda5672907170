#include "engine/failure.h"

#include <exception>
#include <memory>
#include <new>

namespace bertcnn::engine {

Failure make_failure(const char* code, const std::string& message) {
  return std::make_shared<const Error>(code, message);
}

Failure disposed_failure() {
  return make_failure("ERR_DISPOSED", "The model is disposed: load it again to use it");
}

Failure cancelled_failure() {
  return make_failure("ERR_CANCELLED", "The call was cancelled");
}

Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return std::make_shared<const Error>(error);
  } catch (const std::bad_alloc&) {
    return make_failure("ERR_OUT_OF_MEMORY",
                        "Not enough memory for this call; smaller batches (maxBatchTokens, fewer "
                        "rows a training step) need less");
  } catch (const std::exception& error) {
    return make_failure("ERR_INTERNAL", error.what());
  } catch (...) {
    return make_failure("ERR_INTERNAL", "An exception of an unknown type");
  }
}

}  // namespace bertcnn::engine
