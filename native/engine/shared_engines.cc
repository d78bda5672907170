#include "engine/shared_engines.h"

#include <cstdint>
#include <iomanip>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <utility>

#include "error.h"

namespace bertcnn::engine {
namespace {

/// 128 bits of the system's.
std::string random_token() {
  std::random_device device;
  std::ostringstream text;
  text << "bertcnn-" << std::hex << std::setfill('0');
  for (int i = 0; i < 4; ++i) text << std::setw(8) << static_cast<uint32_t>(device());
  return text.str();
}

class Registry {
 public:
  static Registry& instance() {
    static Registry& registry = *new Registry;  // never freed: used until the process's very end
    return registry;
  }

  std::string add(const std::shared_ptr<Engine>& engine, std::shared_ptr<const ModelInfo> info) {
    const std::lock_guard lock(mutex_);
    std::erase_if(entries_, [](const auto& entry) { return entry.second.engine.expired(); });
    for (const auto& [token, entry] : entries_) {
      if (entry.engine.lock() == engine) return token;
    }
    return entries_.emplace(random_token(), Entry{engine, std::move(info)}).first->first;
  }

  std::optional<SharedEngine> find(const std::string& token) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(token);
    if (found == entries_.end()) return std::nullopt;
    return SharedEngine{found->second.engine.lock(), 0, found->second.info};
  }

 private:
  struct Entry {
    std::weak_ptr<Engine> engine;
    std::shared_ptr<const ModelInfo> info;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace

std::string share(const std::shared_ptr<Engine>& engine, std::shared_ptr<const ModelInfo> info) {
  return Registry::instance().add(engine, std::move(info));
}

SharedEngine open_shared(const std::string& token) {
  std::optional<SharedEngine> shared = Registry::instance().find(token);
  if (shared && shared->engine) {
    if (const std::optional<ClientId> client = shared->engine->attach()) {
      shared->client = *client;
      return *std::move(shared);
    }
  }
  fail("ERR_INVALID_ARGUMENT", "Expected the token of a model that is open in this process but ",
       "received '", token, "'. A token ends with the last handle of its model.");
}

}  // namespace bertcnn::engine
