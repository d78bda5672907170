#include "faults.h"

#include <ATen/core/ivalue.h>
#include <c10/util/Exception.h>
#include <c10/util/flat_hash_map.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "fault_point.h"

namespace bertcnn::faults {
namespace {

enum class Kind { none, memory, tensor, stage };

struct Armed {
  std::atomic<Kind> kind = Kind::none;
  std::atomic<int64_t> left = 0;  // events until one fails
  std::atomic<bool> lasting = false;
  std::atomic<int64_t> failed = 0;
};
Armed armed;

// Both are used while memory is refused, too, but only by `stages` and `arm`.
std::mutex mutex;  // guards `stage` and `seen`
std::string stage;
std::set<std::string, std::less<>>& seen() {
  static auto& names = *new std::set<std::string, std::less<>>;
  return names;
}

/// Whether this event is to fail.
bool fails(Kind kind) {
  if (armed.kind.load(std::memory_order_relaxed) != kind) return false;
  const int64_t left = armed.left--;
  if (left > 1 || (left < 1 && !armed.lasting)) return false;
  ++armed.failed;
  return true;
}

Napi::Value arm(const Napi::CallbackInfo& info) {
  const std::string kind = info[0].ToString().Utf8Value();
  {
    const std::lock_guard lock(mutex);
    stage = kind;
  }
  armed.left = info[1].ToNumber().Int64Value();
  armed.lasting = info[2].ToBoolean().Value();
  armed.failed = 0;
  armed.kind = kind == "memory" ? Kind::memory : kind == "tensor" ? Kind::tensor : Kind::stage;
  return info.Env().Undefined();
}

Napi::Value disarm(const Napi::CallbackInfo& info) {
  armed.kind = Kind::none;
  return Napi::Number::New(info.Env(), static_cast<double>(armed.failed));
}

Napi::Value stages(const Napi::CallbackInfo& info) {
  const std::lock_guard lock(mutex);
  auto names = Napi::Array::New(info.Env());
  for (const std::string& name : seen()) names.Set(names.Length(), name);
  return names;
}

}  // namespace

void define(Napi::Env env, Napi::Object exports) {
  auto faults = Napi::Object::New(env);
  faults.Set("arm", Napi::Function::New<arm>(env, "arm"));
  faults.Set("disarm", Napi::Function::New<disarm>(env, "disarm"));
  faults.Set("stages", Napi::Function::New<stages>(env, "stages"));
  exports.Set("faults", faults);
}

}  // namespace bertcnn::faults

namespace bertcnn {

void fault_point(const char* stage) {
  using faults::Kind;
  if (std::string_view(stage) == "tensor") {
    TORCH_CHECK_WITH(OutOfMemoryError, !faults::fails(Kind::tensor),
                     "can't allocate memory: a planted failure");
    return;
  }
  const Kind kind = faults::armed.kind;
  if (kind == Kind::memory || kind == Kind::tensor) return;
  bool wanted = false;
  {
    const std::lock_guard lock(faults::mutex);
    if (!faults::seen().contains(stage)) faults::seen().emplace(stage);
    wanted = kind == Kind::stage && faults::stage == stage;
  }
  if (wanted && faults::fails(Kind::stage)) {
    throw std::runtime_error(std::string("A failure that was planted in: ") + stage);
  }
}

}  // namespace bertcnn

// Of the addon alone: nothing of it is exported, so that libtorch and Node.js keep theirs. Memory
// may be taken here and given back there: all of it is the C library's.

/// What libtorch's own code takes for each AutogradContext, also where it destroys one, and where
/// it must not fail: an empty table.
constexpr std::size_t kEmptyTable =
    4 * sizeof(ska::detailv3::sherwood_v3_entry<std::pair<std::string, at::IValue>>);

void* operator new(std::size_t size) {
  if (size != kEmptyTable && bertcnn::faults::fails(bertcnn::faults::Kind::memory))
    throw std::bad_alloc();
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

void* operator new[](std::size_t size) {
  return operator new(size);
}

void operator delete(void* memory) noexcept {
  std::free(memory);
}

void operator delete[](void* memory) noexcept {
  std::free(memory);
}

void operator delete(void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}

void operator delete[](void* memory, std::size_t /*size*/) noexcept {
  std::free(memory);
}
