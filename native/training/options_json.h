// Training options as JSON, under the names that they have in JavaScript.
#pragma once

#include "json.h"
#include "training/options.h"

namespace bertcnn::training {

/// Every option; those that are not set are left out.
json::Value to_json(const TrainingOptions& options);

/// The options that `to_json` wrote. ERR_INVALID_JSON: a name is unknown or a value has another
/// type. Their values are for `check`.
TrainingOptions read_training_options(const json::Value& value);

}  // namespace bertcnn::training
