// The engines of this process that may be used from elsewhere in it, by their tokens.
#pragma once

#include <memory>
#include <string>

#include "engine/call.h"
#include "engine/engine.h"

namespace bertcnn::engine {

struct ModelInfo;

/// A client more of an engine that somebody shared.
struct SharedEngine {
  std::shared_ptr<Engine> engine;
  ClientId client = 0;
  std::shared_ptr<const ModelInfo> info;
};

/// A token that nobody can guess: the engine's own, the same each time. It keeps nothing alive, and
/// is good for any number of clients until the engine's last one has gone.
std::string share(const std::shared_ptr<Engine>& engine, std::shared_ptr<const ModelInfo> info);

/// The engine that a token belongs to, with a new client of it. ERR_INVALID_ARGUMENT: no engine of
/// this process has that token, or not any more.
SharedEngine open_shared(const std::string& token);

}  // namespace bertcnn::engine
