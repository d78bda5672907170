// How the head departs from the prototype's: ReLU and max over time on the last hidden state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "json.h"
#include "kernels/pooling_name.h"
#include "model/config_fields.h"

namespace bertcnn::model {

/// What becomes of the last hidden states where there are several: their mean, one behind another,
/// or a mean with learned weights (Peters et al., 2018).
enum class LayerCombination { mean, concat, mix };

/// What a caller sets of it.
struct HeadOverrides {
  std::optional<std::string> activation;  // relu | gelu | tanh | glu
  std::optional<std::string> pooling;     // max | mean | max-mean | k-max | attention
  std::optional<int64_t> pooling_size;    // k of k-max
  std::optional<bool> layer_norm;
  std::optional<int64_t> hidden_layers;
  std::optional<std::string> layer_combination;  // mean | concat | mix
};

struct HeadConfig {
  kernels::ConvolutionActivation activation = kernels::ConvolutionActivation::relu;
  kernels::Pooling pooling;
  bool layer_norm = false;    // before the classifier
  int64_t hidden_layers = 1;  // of the encoder's last ones, which the convolutions see
  LayerCombination layer_combination = LayerCombination::mean;  // where there are several

  bool operator==(const HeadConfig& other) const = default;

  /// Reads the fields of config.json's `bert_cnn` section and applies `overrides`; `layers` has the
  /// encoder. ERR_INVALID_CONFIG, ERR_INVALID_ARGUMENT (an override).
  static HeadConfig read(const ConfigFields& section, const HeadOverrides& overrides,
                         int64_t layers);
  /// Adds its fields, those that are not the prototype's.
  void write(json::Object& section) const;

  /// The width of what the convolutions see, of hidden states that are `hidden_size` wide.
  int64_t input_size(int64_t hidden_size) const;
  bool mixes() const { return hidden_layers > 1 && layer_combination == LayerCombination::mix; }
  bool means() const { return hidden_layers > 1 && layer_combination == LayerCombination::mean; }
};

}  // namespace bertcnn::model
