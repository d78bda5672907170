#include "model/head_config.h"

#include <algorithm>

#include "error.h"
#include "model/config_names.h"

namespace bertcnn::model {
namespace {

using kernels::ConvolutionActivation;
using kernels::PoolingKind;

constexpr int64_t kMostPooled = 64;  // of each filter
constexpr int64_t kDefaultPooled = 3;

constexpr Names<ConvolutionActivation, 4> kActivations = {{{"relu", ConvolutionActivation::relu},
                                                           {"gelu", ConvolutionActivation::gelu},
                                                           {"tanh", ConvolutionActivation::tanh},
                                                           {"glu", ConvolutionActivation::glu}}};
constexpr Names<PoolingKind, 5> kPoolings = {{{"max", PoolingKind::max},
                                              {"mean", PoolingKind::mean},
                                              {"max-mean", PoolingKind::max_mean},
                                              {"k-max", PoolingKind::k_max},
                                              {"attention", PoolingKind::attention}}};
constexpr Names<LayerCombination, 3> kCombinations = {{{"mean", LayerCombination::mean},
                                                       {"concat", LayerCombination::concat},
                                                       {"mix", LayerCombination::mix}}};

/// A number from 1 to `most`, from the caller or from config.json.
int64_t choose_count(const char* option, const std::optional<int64_t>& given,
                     const std::optional<int64_t>& stored, int64_t most, int64_t otherwise) {
  if (given && (*given < 1 || *given > most)) {
    fail("ERR_INVALID_ARGUMENT", "Expected an integer from 1 to ", most, " for ", option,
         " but received ", *given, ".");
  }
  return given ? *given : stored.value_or(otherwise);
}

/// An option that would have no effect is a mistake.
void check_effect(bool given, bool has_effect, const char* option, const char* condition) {
  if (!given || has_effect) return;
  fail("ERR_INVALID_ARGUMENT", "Option ", option, " has an effect only with ", condition, ".");
}

}  // namespace

HeadConfig HeadConfig::read(const ConfigFields& section, const HeadOverrides& overrides,
                            int64_t layers) {
  HeadConfig head;
  head.activation = choose(kActivations, "activation", overrides.activation,
                           section.string("activation"), head.activation);
  head.pooling.kind =
      choose(kPoolings, "pooling", overrides.pooling, section.string("pooling"), head.pooling.kind);
  const bool several = head.pooling.kind == PoolingKind::k_max;
  check_effect(overrides.pooling_size.has_value(), several, "poolingSize", "pooling: 'k-max'");
  if (several) {
    head.pooling.k =
        choose_count("poolingSize", overrides.pooling_size,
                     section.integer("pooling_size", 1, kMostPooled), kMostPooled, kDefaultPooled);
  }
  head.layer_norm =
      overrides.layer_norm.value_or(section.boolean("layer_norm").value_or(head.layer_norm));
  // Without layers, the embeddings' output is the one there is.
  const int64_t most = std::max<int64_t>(layers, 1);
  head.hidden_layers = choose_count("hiddenLayers", overrides.hidden_layers,
                                    section.integer("hidden_layers", 1, most), most, 1);
  check_effect(overrides.layer_combination.has_value(), head.hidden_layers > 1, "layerCombination",
               "hiddenLayers above 1");
  if (head.hidden_layers > 1) {
    head.layer_combination = choose(kCombinations, "layerCombination", overrides.layer_combination,
                                    section.string("layer_combination"), head.layer_combination);
  }
  return head;
}

void HeadConfig::write(json::Object& section) const {
  section.emplace_back("activation", find_name(kActivations, activation));
  section.emplace_back("pooling", find_name(kPoolings, pooling.kind));
  if (pooling.kind == PoolingKind::k_max) section.emplace_back("pooling_size", pooling.k);
  section.emplace_back("layer_norm", layer_norm);
  section.emplace_back("hidden_layers", hidden_layers);
  if (hidden_layers == 1) return;
  section.emplace_back("layer_combination", find_name(kCombinations, layer_combination));
}

int64_t HeadConfig::input_size(int64_t hidden_size) const {
  return layer_combination == LayerCombination::concat ? hidden_layers * hidden_size : hidden_size;
}

}  // namespace bertcnn::model
