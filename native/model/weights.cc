#include "model/weights.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "error.h"

namespace bertcnn::model {
namespace {

bool is_convolution(std::string_view name) {
  return name.starts_with("convs.") || name.starts_with("conv.");
}

bool is_head(std::string_view name) {
  return !name.starts_with("bert.");
}

/// The name in our state dict; nothing for buffers that are no weights.
std::optional<std::string> canonical_name(std::string name) {
  if (name.ends_with("position_ids")) return std::nullopt;
  // What wraps a whole module: nn.DataParallel and DistributedDataParallel, torch.compile.
  for (const std::string_view wrapper : {"module.", "_orig_mod.", "module."}) {
    if (name.starts_with(wrapper)) name.erase(0, wrapper.size());
  }
  const auto rename_end = [&name](std::string_view from, std::string_view to) {
    if (name.ends_with(from)) name.replace(name.size() - from.size(), from.size(), to);
  };
  rename_end("LayerNorm.gamma", "LayerNorm.weight");
  rename_end("LayerNorm.beta", "LayerNorm.bias");
  for (const char* part : {"embeddings.", "encoder.", "pooler."}) {
    if (name.starts_with(part)) return "bert." + name;
  }
  return name;
}

template <typename Sizes>
std::string to_string(const Sizes& shape) {
  std::string text = "[";
  for (const int64_t size : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

using Sources = std::map<std::string, const checkpoint::Tensor*>;

Sources by_canonical_name(const checkpoint::Checkpoint& source) {
  Sources sources;
  for (const checkpoint::Tensor& tensor : source.tensors()) {
    const std::optional<std::string> name = canonical_name(tensor.name);
    if (name && !sources.emplace(*name, &tensor).second) {
      fail("ERR_CHECKPOINT_MISMATCH", "Two tensors of the checkpoint stand for '", *name,
           "'; one of them is '", tensor.name, "'.");
    }
  }
  return sources;
}

Mismatches compare(const BertCnn& model, const Sources& sources) {
  Mismatches mismatches;
  std::map<std::string_view, bool> expected;
  for (const kernels::Parameter& parameter : model.parameters()) {
    expected[parameter.name] = true;
    const auto found = sources.find(parameter.name);
    if (found == sources.end()) {
      mismatches.missing.push_back(parameter.name);
    } else if (!checkpoint::is_floating_point(found->second->dtype)) {
      mismatches.mis_shaped.push_back(parameter.name + ": expected floating point numbers");
    } else if (parameter.tensor.sizes() != at::IntArrayRef(found->second->shape)) {
      mismatches.mis_shaped.push_back(parameter.name + ": expected " +
                                      to_string(parameter.tensor.sizes()) + " but found " +
                                      to_string(found->second->shape));
    }
  }
  for (const auto& [name, tensor] : sources) {
    if (!expected.contains(name)) mismatches.unexpected.push_back(name);
  }
  return mismatches;
}

void append(std::string& message, const char* title, const std::vector<std::string>& names) {
  if (names.empty()) return;
  message += std::string("\n  ") + title + " (" + std::to_string(names.size()) + "):";
  for (const std::string& name : names) message += "\n    " + name;
}

/// The missing names that `matching` does not allow to be missing.
std::vector<std::string> required(const Mismatches& mismatches, Matching matching, bool has_head) {
  std::vector<std::string> names;
  if (matching == Matching::lenient) return names;
  for (const std::string& name : mismatches.missing) {
    if (name.starts_with("bert.pooler.")) continue;
    if (matching == Matching::encoder && is_head(name) && !has_head) continue;
    names.push_back(name);
  }
  return names;
}

Mismatches checked(const BertCnn& model, const Sources& sources, Matching matching) {
  Mismatches mismatches = compare(model, sources);
  // Convolutions of whatever variant: it is one of ours or the prototype's, so that its head must
  // be whole.
  const bool has_head = std::any_of(sources.begin(), sources.end(), [](const auto& source) {
    return is_convolution(source.first);
  });
  std::string message;
  append(message, "missing", required(mismatches, matching, has_head));
  append(message, "with another shape or type", mismatches.mis_shaped);
  if (matching == Matching::strict) append(message, "unexpected", mismatches.unexpected);
  if (!message.empty()) {
    if (matching == Matching::encoder) append(message, "unexpected", mismatches.unexpected);
    fail("ERR_CHECKPOINT_MISMATCH",
         "The checkpoint's tensors do not fit the model. Compare config.json and the options "
         "(variant, filterSizes, numFilters, labels) with the checkpoint.",
         message);
  }
  return mismatches;
}

at::Tensor read_to_host(const checkpoint::Tensor& source) {
  at::Tensor host = at::empty(source.shape, at::TensorOptions().dtype(at::kFloat));
  checkpoint::copy_as_float32(source, host.mutable_data_ptr<float>());
  return host;
}

}  // namespace

Mismatches compare_weights(const BertCnn& model, const checkpoint::Checkpoint& source,
                           Matching matching) {
  return checked(model, by_canonical_name(source), matching);
}

Mismatches load_weights(const BertCnn& model, const checkpoint::Checkpoint& source,
                        Matching matching, const std::function<bool()>& cancelled) {
  const Sources sources = by_canonical_name(source);
  Mismatches mismatches = checked(model, sources, matching);
  const at::NoGradGuard no_grad;
  std::vector<checkpoint::Copy> copies;
  for (const auto& [name, weight] : model.parameters()) {
    const auto found = sources.find(name);
    if (found == sources.end()) continue;
    if (weight.is_cpu()) {
      copies.push_back({found->second, weight.mutable_data_ptr<float>()});
      // Written past autograd's eyes: a graph that still held the old values must notice.
      weight.unsafeGetTensorImpl()->bump_version();
      continue;
    }
    if (cancelled && cancelled()) fail("ERR_CANCELLED", "Loading was cancelled.");
    weight.copy_(read_to_host(*found->second));
  }
  checkpoint::copy_as_float32(copies, static_cast<size_t>(at::get_num_threads()), cancelled);
  return mismatches;
}

ReadWeights read_weights(const BertCnn& model, const checkpoint::Checkpoint& source,
                         Matching matching) {
  const Sources sources = by_canonical_name(source);
  ReadWeights read{{}, checked(model, sources, matching)};
  std::vector<checkpoint::Copy> copies;
  for (const auto& [name, weight] : model.parameters()) {
    const auto found = sources.find(name);
    if (found == sources.end()) continue;
    const at::Tensor value = at::empty(weight.sizes(), at::TensorOptions().dtype(at::kFloat));
    read.values.push_back({name, value});
    copies.push_back({found->second, value.mutable_data_ptr<float>()});
  }
  checkpoint::copy_as_float32(copies, static_cast<size_t>(at::get_num_threads()), {});
  return read;
}

void copy_weights(const kernels::ParameterList& values, const kernels::ParameterList& weights) {
  const at::NoGradGuard no_grad;
  auto weight = weights.begin();
  for (const auto& [name, value] : values) {  // in the order of the weights, of which some may lack
    while (weight->name != name) ++weight;
    weight->tensor.copy_(value);
  }
}

void reload_weights(const BertCnn& model, const kernels::ParameterList& weights,
                    const checkpoint::Checkpoint& source) {
  const Sources sources = by_canonical_name(source);
  checked(model, sources, Matching::lenient);
  std::vector<checkpoint::Copy> copies;
  for (const kernels::Parameter& parameter : weights) {
    const auto found = sources.find(parameter.name);
    if (found == sources.end()) continue;
    copies.push_back({found->second, parameter.tensor.mutable_data_ptr<float>()});
  }
  checkpoint::copy_as_float32(copies, static_cast<size_t>(at::get_num_threads()), {});
}

kernels::ParameterList read_all_or_none(const kernels::ParameterList& weights,
                                        const checkpoint::Checkpoint& source) {
  const Sources sources = by_canonical_name(source);
  const auto is_there = [&](const auto& weight) { return sources.contains(weight.name); };
  if (std::ranges::none_of(weights, is_there)) return {};
  kernels::ParameterList values;
  for (const auto& [name, weight] : weights) {
    const auto found = sources.find(name);
    if (found == sources.end())
      fail("ERR_CHECKPOINT_MISMATCH", "The checkpoint lacks '", name, "'.");
    if (weight.sizes() != at::IntArrayRef(found->second->shape)) {
      fail("ERR_CHECKPOINT_MISMATCH", "'", name, "' of the checkpoint has the shape ",
           to_string(found->second->shape), " and not ", to_string(weight.sizes()), ".");
    }
    values.push_back({name, read_to_host(*found->second)});
  }
  return values;
}

SavedWeights save_weights(const kernels::ParameterList& weights) {
  SavedWeights saved;
  for (const kernels::Parameter& parameter : weights) {
    saved.storage.push_back(parameter.tensor.detach().to(at::kCPU).contiguous());
    const at::Tensor& host = saved.storage.back();
    saved.tensors.push_back(
        {parameter.name, checkpoint::DType::float32, host.sizes().vec(),
         std::span(static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes())});
  }
  return saved;
}

}  // namespace bertcnn::model
