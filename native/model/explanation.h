// Which words a logit comes from, exactly: the head's maxima and what each adds. Without ATen.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace bertcnn::model {

/// What is explained: the logit of `label`, by default each text's best, or what it is above that
/// of `against`.
struct ExplanationTarget {
  std::optional<int64_t> label;
  std::optional<int64_t> against;
};

/// A window of tokens that has the largest value of some filters.
struct Ngram {
  int64_t start = 0;        // its first token
  int64_t tokens = 0;       // how many of the sequence
  int64_t filters = 0;      // whose maximum it is
  double contribution = 0;  // what these add to the logit
  double without = 0;       // the logit if each of them took its next best window
};

/// What one filter found.
struct FilterMaximum {
  int64_t start = 0;        // the window's first token
  double value = 0;         // behind the activation
  double contribution = 0;  // value times the classifier's weight
};

/// The logit is `bias` and the contributions of `ngrams`; behind ReLU also `token_bias` and
/// `tokens`, where each token has what its hidden state adds by the windows that it is in.
struct Explanation {
  int64_t label = 0;
  std::vector<float> logits;           // of all labels
  double logit = 0;                    // what is explained
  double bias = 0;                     // the classifier's
  std::vector<Ngram> ngrams;           // by start, then by length; without those that add nothing
  double token_bias = 0;               // with the convolutions' biases
  std::vector<double> tokens;          // or empty: the activation is not ReLU
  std::vector<FilterMaximum> filters;  // kernel size by kernel size
};

}  // namespace bertcnn::model
