#include "model/explain.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "error.h"
#include "model/bert_cnn.h"

namespace bertcnn::model {
namespace {

using kernels::ConvolutionActivation;
using kernels::PackedBatch;
using kernels::PoolingKind;

/// One kernel size's part of the product.
struct Bank {
  int64_t kernel_size;
  int64_t first_column;  // of the product
  int64_t first_filter;  // of all filters
  const float* biases;   // [filters], behind them the gates'
};

/// A filter's two best windows of a sequence.
struct Best {
  int64_t start = 0;
  double value = 0;  // behind the activation
  double next = 0;   // the next best window's; 0 where there is none
};

/// Reads the head's products of one sequence.
class Sequence {
 public:
  Sequence(const HeadProducts& products, int64_t first_row, int64_t length)
      : products_(products),
        values_(products.values.const_data_ptr<float>() + first_row * products.values.size(1)),
        length_(length) {}

  int64_t windows(const Bank& bank) const {
    return std::max<int64_t>(length_ - bank.kernel_size + 1, 1);
  }
  int64_t tokens(const Bank& bank) const { return std::min(length_, bank.kernel_size); }

  /// What token `start + place` adds to the filter's sum over the window.
  double part(const Bank& bank, int64_t filter, int64_t start, int64_t place) const {
    const int64_t column = bank.first_column + place * products_.rows + filter;
    return values_[(start + place) * products_.values.size(1) + column];
  }

  double activated(const Bank& bank, int64_t filter, int64_t start) const {
    const double x = sum(bank, filter, start);
    switch (products_.form.activation) {
      case ConvolutionActivation::relu:
        return std::max(x, 0.0);
      case ConvolutionActivation::gelu:
        return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
      case ConvolutionActivation::tanh:
        return std::tanh(x);
      case ConvolutionActivation::glu:
        return x / (1 + std::exp(-sum(bank, filter + products_.form.filters, start)));
    }
    return 0;
  }

  Best best(const Bank& bank, int64_t filter) const {
    constexpr double kNone = -std::numeric_limits<double>::infinity();
    Best best{0, kNone, kNone};
    for (int64_t start = 0; start < windows(bank); ++start) {
      const double value = activated(bank, filter, start);
      if (value > best.value) {
        best = {start, value, best.value};
      } else {
        best.next = std::max(best.next, value);
      }
    }
    if (best.next == kNone) best.next = 0;
    return best;
  }

 private:
  double sum(const Bank& bank, int64_t filter, int64_t start) const {
    double total = bank.biases[filter];
    for (int64_t place = 0; place < tokens(bank); ++place)
      total += part(bank, filter, start, place);
    return total;
  }

  const HeadProducts& products_;
  const float* values_;
  int64_t length_;
};

std::vector<Bank> banks_of(const HeadProducts& products) {
  std::vector<Bank> banks;
  int64_t column = 0;
  for (const int64_t kernel_size : products.form.kernel_sizes) {
    const auto number = static_cast<int64_t>(banks.size());
    banks.push_back({kernel_size, column, number * products.form.filters,
                     products.biases.const_data_ptr<float>() + number * products.rows});
    column += kernel_size * products.rows;
  }
  return banks;
}

/// The classifier's weights of what is explained, in float64.
struct Weights {
  std::vector<double> of_filter;
  double bias = 0;
};

Weights weights_of(const HeadProducts& products, int64_t label, std::optional<int64_t> against) {
  const int64_t size = products.weight.size(1);
  const auto* rows = products.weight.const_data_ptr<float>();
  const auto* biases = products.bias.const_data_ptr<float>();
  Weights weights{{rows + label * size, rows + (label + 1) * size}, biases[label]};
  if (!against) return weights;
  for (int64_t i = 0; i < size; ++i) weights.of_filter[i] -= rows[*against * size + i];
  weights.bias -= biases[*against];
  return weights;
}

void check_target(const ExplanationTarget& target, int64_t labels) {
  for (const auto& [name, label] :
       {std::pair{"label", target.label}, {"against", target.against}}) {
    if (!label || (*label >= 0 && *label < labels)) continue;
    fail("ERR_INVALID_ARGUMENT", "Expected a label from 0 to ", labels - 1, " for ", name,
         " but received ", *label, ".");
  }
}

void check_head(const HeadConfig& head) {
  const bool has_maxima = head.pooling.kind == PoolingKind::max && !head.layer_norm;
  if (has_maxima) return;
  fail("ERR_UNSUPPORTED_CONFIG",
       "Only a head with pooling 'max' and without a layer norm adds up exactly, so that it can be "
       "explained.");
}

/// Adds what each token of the filter's best window adds.
void add_tokens(const Sequence& sequence, const Bank& bank, int64_t filter, int64_t start,
                double weight, Explanation& explanation) {
  explanation.token_bias += weight * bank.biases[filter];
  for (int64_t place = 0; place < sequence.tokens(bank); ++place) {
    explanation.tokens[start + place] += weight * sequence.part(bank, filter, start, place);
  }
}

Explanation explain_sequence(const Sequence& sequence, int64_t length, const HeadProducts& products,
                             const std::vector<Bank>& banks, const Weights& weights) {
  const bool by_token = products.form.activation == ConvolutionActivation::relu;
  Explanation explanation;
  explanation.bias = explanation.token_bias = explanation.logit = weights.bias;
  if (by_token) explanation.tokens.assign(length, 0);
  std::map<std::pair<int64_t, int64_t>, Ngram> ngrams;  // by start and tokens
  for (const Bank& bank : banks) {
    for (int64_t filter = 0; filter < products.form.filters; ++filter) {
      const Best best = sequence.best(bank, filter);
      const double weight = weights.of_filter[bank.first_filter + filter];
      const double contribution = best.value * weight;
      explanation.filters.push_back({best.start, best.value, contribution});
      if (best.value == 0) continue;
      const int64_t tokens = sequence.tokens(bank);
      Ngram& ngram = ngrams[{best.start, tokens}];
      ngram.start = best.start;
      ngram.tokens = tokens;
      ngram.contribution += contribution;
      ngram.without += weight * (best.next - best.value);
      ++ngram.filters;
      explanation.logit += contribution;
      if (by_token) add_tokens(sequence, bank, filter, best.start, weight, explanation);
    }
  }
  for (auto& [place, ngram] : ngrams) {
    ngram.without += explanation.logit;
    explanation.ngrams.push_back(ngram);
  }
  return explanation;
}

}  // namespace

std::vector<Explanation> explain(const BertCnn& model, const PackedBatch& batch,
                                 const ExplanationTarget& target,
                                 const kernels::ForwardContext& context) {
  const BertCnnConfig& config = model.config();
  check_head(config.head);
  check_target(target, config.num_labels());
  const HeadProducts products = model.head_products(batch, context);
  const std::vector<Bank> banks = banks_of(products);
  std::vector<Explanation> explanations;
  const PackedBatch texts = batch.joined();
  for (int64_t b = 0; b < texts.sequences(); ++b) {
    const auto* logits = products.logits.const_data_ptr<float>() + b * config.num_labels();
    const int64_t label =
        target.label.value_or(std::max_element(logits, logits + config.num_labels()) - logits);
    const Sequence sequence(products, texts.offsets[b], texts.length(b));
    Explanation& explanation = explanations.emplace_back(explain_sequence(
        sequence, texts.length(b), products, banks, weights_of(products, label, target.against)));
    explanation.label = label;
    explanation.logits.assign(logits, logits + config.num_labels());
  }
  return explanations;
}

}  // namespace bertcnn::model
