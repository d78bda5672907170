#include "model/text_runs.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/any.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>
#include <utility>

#include "model/windows.h"

namespace bertcnn::model {

using kernels::PackedBatch;
using kernels::WindowMaxima;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::vector<TextRun> cut_runs(const PackedBatch& batch, int64_t most_tokens) {
  const std::vector<int64_t>& texts = batch.windows->offsets;
  std::vector<TextRun> runs;
  int64_t text = 0;
  for (int64_t first = 0; first < batch.sequences();) {
    TextRun run;
    const int64_t end = end_of_run(batch, first, batch.sequences(), most_tokens);
    run.windows = batch.slice(first, end);
    run.first_text = text;
    run.continues = first > texts[text];
    int64_t tokens = 0;
    for (int64_t b = first; b < end; ++b) {
      tokens += batch.windows->kept[b].end - batch.windows->kept[b].begin;
      const bool last_of_text = b + 1 == texts[text + 1];
      if (last_of_text || b + 1 == end) run.offsets.push_back(tokens);
      if (last_of_text) ++text;
    }
    run.open = end > texts[text];
    first = end;
    runs.push_back(std::move(run));
  }
  return runs;
}

Joined::Joined(const Carry& before, const at::Tensor& states, const TextRun& run, int64_t overlap) {
  const int64_t carried = run.continues ? before.rows.size(0) : 0;
  const at::Tensor all = run.continues ? at::cat({before.rows, states}) : states;
  seen = run.continues && before.pooled ? carried : 0;
  for (int64_t part = 1; part <= run.parts(); ++part) {
    pooled.offsets.push_back(run.offsets[part] + carried);
  }
  if (run.open) {
    int64_t length = pooled.length(run.parts() - 1);
    carry.pooled = length > overlap;
    if (carry.pooled) {
      length = overlap;
    } else {
      pooled.offsets.pop_back();
    }
    carry.rows = all.narrow(0, all.size(0) - length, length);
  }
  rows = all.narrow(0, 0, pooled.tokens());
}

namespace {

/// Without a graph, and without the memory that it is a view of.
Carry kept_alone(const Carry& carry) {
  if (!carry.rows.defined()) return {};
  return {carry.rows.detach().clone(), carry.pooled};
}

/// Enters those of a run's parts into `features`, which begin with the first ones.
void take_maxima(at::Tensor& features, const at::Tensor& of_parts, const TextRun& run,
                 const TextPasses& texts) {
  if (!features.defined()) {
    features = at::full({texts.texts, of_parts.size(1)}, -std::numeric_limits<float>::infinity(),
                        of_parts.options());
  }
  const at::Tensor rows = features.narrow(0, run.first_text, of_parts.size(0));
  rows.copy_(at::maximum(rows, of_parts));
}

/// A run as the backward pass needs it.
struct Pass {
  Carry before;
  at::Generator generator;  // as it was before
  at::Tensor features;      // [pooled parts, features], or undefined: the run's own
  at::Tensor shares;        // the same: of a text's gradient, what this run's maxima get
};

struct Passes : torch::CustomClassHolder {
  TextPasses texts;
  std::function<WindowMaxima(const Joined& part)> pool;
  std::vector<Pass> passes;  // of each run
};

/// Divides each text's gradient among the windows that its maxima are in.
void share_out(Passes& all, const at::Tensor& features) {
  const auto texts_of = [&](size_t i, const at::Tensor& texts) {
    return texts.narrow(0, all.texts.runs[i].first_text, all.passes[i].shares.size(0));
  };
  const at::Tensor winners = at::zeros_like(features);  // windows that have a text's maximum
  for (size_t i = 0; i < all.passes.size(); ++i) {
    Pass& pass = all.passes[i];
    if (!pass.features.defined()) continue;
    pass.shares = pass.features.eq(texts_of(i, features)) * pass.shares;
    texts_of(i, winners).add_(pass.shares);
    pass.features.reset();
  }
  for (size_t i = 0; i < all.passes.size(); ++i) {
    Pass& pass = all.passes[i];
    if (pass.shares.defined()) pass.shares.div_(texts_of(i, winners));
  }
}

/// The run once more, with a graph, and its gradients' way back. Returns the gradient of what was
/// carried to it, or an undefined tensor.
at::Tensor pass_back(const Passes& all, size_t i, const at::Tensor& of_features,
                     const at::Tensor& of_carry) {
  const TextRun& run = all.texts.runs[i];
  const Pass& pass = all.passes[i];
  const at::AutoGradMode with_graph(true);
  const at::Tensor states = all.texts.encode(run.windows, pass.generator.clone());
  Carry before = kept_alone(pass.before);
  const bool returns = before.rows.defined() && states.requires_grad();
  if (returns) before.rows.requires_grad_(true);
  const Joined part(before, states, run, all.texts.overlap);
  variable_list outputs;
  variable_list gradients;
  const auto add = [&](const at::Tensor& output, const at::Tensor& gradient) {
    if (!gradient.defined() || !output.requires_grad()) return;
    outputs.push_back(output);
    gradients.push_back(gradient);
  };
  if (of_features.defined()) add(all.pool(part).values, of_features);
  add(part.carry.rows, of_carry);
  if (!outputs.empty()) torch::autograd::backward(outputs, gradients);
  return returns ? before.rows.grad() : at::Tensor();
}

bool has_any(const at::Tensor& gradient) {
  return gradient.defined() && gradient.any().item<bool>();
}

struct TrainedTexts : torch::autograd::Function<TrainedTexts> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& /*nothing*/,
                            const at::Generator& generator, const c10::intrusive_ptr<Passes>& all) {
    at::Tensor features;
    Carry carry;
    for (const TextRun& run : all->texts.runs) {
      Pass& pass = all->passes.emplace_back(Pass{std::move(carry), generator.clone(), {}, {}});
      // With a graph, which is dropped at once: as the backward pass will compute it.
      const at::AutoGradMode with_graph(true);
      const Joined part(pass.before, all->texts.encode(run.windows, generator), run,
                        all->texts.overlap);
      carry = kept_alone(part.carry);
      if (part.pooled.sequences() == 0) continue;
      const WindowMaxima maxima = all->pool(part);
      pass.features = maxima.values.detach();
      pass.shares = maxima.counts;
      take_maxima(features, pass.features, run, all->texts);
    }
    share_out(*all, features);
    context->saved_data["passes"] = c10::IValue::make_capsule(all);
    return features;
  }

  // NOLINTNEXTLINE(performance-unnecessary-value-param): as libtorch calls it
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto all =
        c10::static_intrusive_pointer_cast<Passes>(context->saved_data.at("passes").toCapsule());
    size_t first = 0;
    while (!all->passes[first].shares.defined()) ++first;
    at::Tensor of_carry;
    for (size_t i = all->passes.size(); i-- > 0;) {
      const Pass& pass = all->passes[i];
      at::Tensor of_features;
      if (pass.shares.defined()) {
        of_features = gradients[0].narrow(0, all->texts.runs[i].first_text, pass.shares.size(0)) *
                      pass.shares;
      }
      const bool wanted = i == first || has_any(of_features) || has_any(of_carry);
      of_carry = wanted ? pass_back(*all, i, of_features, of_carry) : at::Tensor();
    }
    return variable_list(3);
  }
};

}  // namespace

at::Tensor stream_texts(const TextPasses& texts,
                        const std::function<at::Tensor(const Joined& part)>& pool) {
  const at::NoGradGuard no_grad;
  at::Tensor features;
  Carry carry;
  for (const TextRun& run : texts.runs) {
    const Joined part(carry, texts.encode(run.windows, {}), run, texts.overlap);
    if (part.pooled.sequences() > 0) take_maxima(features, pool(part), run, texts);
    carry = kept_alone(part.carry);
  }
  return features;
}

at::Tensor train_texts(TextPasses texts, const at::Generator& generator,
                       std::function<WindowMaxima(const Joined& part)> pool) {
  // What autograd asks for a gradient of, and gets none.
  const at::Tensor nothing = at::zeros({}).requires_grad_(true);
  auto all = c10::make_intrusive<Passes>();
  all->texts = std::move(texts);
  all->pool = std::move(pool);
  return TrainedTexts::apply(nothing, generator, all);
}

}  // namespace bertcnn::model
