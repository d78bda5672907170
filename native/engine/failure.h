// How exceptions travel from a computation to the calls that wait for it.
#pragma once

#include <string>

#include "engine/requests.h"

namespace bertcnn::engine {

Failure make_failure(const char* code, const std::string& message);

Failure disposed_failure();
Failure cancelled_failure();

/// The exception being handled: an Error as it is, `bad_alloc` as ERR_OUT_OF_MEMORY, anything else
/// as ERR_INTERNAL with its message. Call it in a handler only.
Failure current_failure();

}  // namespace bertcnn::engine
