// How many tokens each text of a pair keeps.
#pragma once

#include <cstddef>

#include "text/tokenizer.h"

namespace bertcnn::text {

struct PairLengths {
  size_t first;
  size_t second;
};

/// What is kept of two texts of `lengths` tokens so that together they have no more than `room`.
///
/// `kLongestFirst` is Hugging Face's: the shorter text keeps all it has as long as that is at most
/// half; else each keeps half, and of an odd `room` the longer text (the second of two equal ones)
/// gets the token left over.
PairLengths truncate_pair(PairLengths lengths, size_t room, Truncation strategy);

}  // namespace bertcnn::text
