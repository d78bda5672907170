// How exceptions travel from a computation to the calls that wait for it.
#pragma once

#include <string>

#include "engine/requests.h"

namespace bertcnn::engine {

Failure make_failure(const char* code, const std::string& message);

const Failure& disposed_failure();
const Failure& cancelled_failure();
const Failure& out_of_memory_failure();

/// Makes the three above, so that none needs memory when it is wanted.
void make_failures();

/// The exception being handled: an Error as it is, `bad_alloc` as ERR_OUT_OF_MEMORY, anything else
/// as ERR_INTERNAL with its message; ERR_OUT_OF_MEMORY, too, where there is no memory for that.
/// Call it in a handler only.
Failure current_failure() noexcept;

}  // namespace bertcnn::engine
