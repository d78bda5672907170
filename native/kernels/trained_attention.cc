#include "kernels/trained_attention.h"

#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "kernels/cpu/attention_rows.h"
#include "kernels/dropout.h"

namespace bertcnn::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const AttentionSettings& settings) {
    const TrainedAttention result = attend_training(qkv, settings);
    context->save_for_backward({qkv, result.output, result.log_sums, settings.key_bias});
    context->saved_data["offsets"] = settings.offsets;
    context->saved_data["heads"] = settings.heads;
    context->saved_data["key"] = static_cast<int64_t>(settings.dropout.key);
    context->saved_data["keep"] = settings.dropout.keep;
    return result.output;
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto data = [&](const char* name) { return context->saved_data.at(name); };
    const AttentionSettings settings = {
        .offsets = data("offsets").toIntVector(),
        .key_bias = saved[3],
        .heads = data("heads").toInt(),
        .dropout = {static_cast<uint64_t>(data("key").toInt()), data("keep").toDouble()}};
    return {attention_gradient(saved[0], {saved[1], saved[2]}, gradients[0].contiguous(), settings),
            {}};
  }
};

}  // namespace

at::Tensor trained_attention(const at::Tensor& qkv, const PackedBatch& batch, int64_t heads,
                             double dropout_p, const ForwardContext& context) {
  return Attention::apply(qkv, AttentionSettings{.offsets = batch.offsets,
                                                 .key_bias = key_bias_of(batch),
                                                 .heads = heads,
                                                 .dropout = draw_dropout(dropout_p, context)});
}

}  // namespace bertcnn::kernels
