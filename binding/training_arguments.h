// `NativeTrainingOptions` of src/native.cts to plain options.
#pragma once

#include "javascript.h"
#include "training/options.h"

namespace bertcnn::binding {

/// ERR_INVALID_ARGUMENT where a field has another type, or a name that no option has.
training::TrainingOptions read_training_options(const Napi::Value& value);

}  // namespace bertcnn::binding
