// Which weights training leaves as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "json.h"

namespace bertcnn::model {

/// What is frozen: "encoder" (all of BERT), "embeddings" or "none"; a number n: the embeddings and
/// the n lowest layers of the encoder; or patterns of names in the state dict, where `*` stands for
/// any characters.
using Freeze = Variant<std::string, int64_t, std::vector<std::string>>;

/// Where a value came from, for errors: an option of the caller's (ERR_INVALID_ARGUMENT), or
/// config.json (ERR_INVALID_CONFIG).
enum class FreezeSource { option, config_file };

/// A value of config.json. ERR_INVALID_CONFIG: it is none of the forms.
Freeze read_freeze(const json::Value& value);
/// As config.json has it.
json::Value to_json(const Freeze& freeze);

/// Refuses an unknown word, a number that is not from 0 to `layers`, and an empty list.
void check_freeze(const Freeze& freeze, int64_t layers, FreezeSource source);

/// The names of the weights that are trained, out of all `names` of a state dict: never the
/// pooler's, which takes no part. Refuses what `check_freeze` does, a pattern that fits no name,
/// and what leaves nothing to train.
std::set<std::string> trained_names(const Freeze& freeze, const std::vector<std::string>& names,
                                    int64_t layers, FreezeSource source);

/// The encoder's layer that a weight of this name belongs to; nothing for other weights.
std::optional<int64_t> encoder_layer(std::string_view name);

/// How many of the encoder's blocks are frozen whole, counted from below: the embeddings are the
/// first, the `layers` layers follow.
int64_t frozen_blocks(const std::set<std::string>& trained, int64_t layers);

}  // namespace bertcnn::model
