#include "text/truncation.h"

#include <algorithm>
#include <utility>

namespace bertcnn::text {
namespace {

PairLengths truncate_longest(PairLengths lengths, size_t room) {
  const bool first_is_longer = lengths.first > lengths.second;
  const size_t shorter = std::min(lengths.first, lengths.second);
  const size_t short_kept = std::min(shorter, room / 2);
  const size_t long_kept = room - short_kept;
  if (first_is_longer) return {long_kept, short_kept};
  return {short_kept, long_kept};
}

}  // namespace

PairLengths truncate_pair(PairLengths lengths, size_t room, Truncation strategy) {
  const auto fits = [room](PairLengths kept) {
    return kept.first <= room && kept.second <= room - kept.first;
  };
  if (fits(lengths)) return lengths;
  if (strategy == Truncation::kLongestFirst) return truncate_longest(lengths, room);

  size_t& cut = strategy == Truncation::kOnlyFirst ? lengths.first : lengths.second;
  const size_t other = strategy == Truncation::kOnlyFirst ? lengths.second : lengths.first;
  cut = room - std::min(room, other);
  return fits(lengths) ? lengths : truncate_longest(lengths, room);
}

}  // namespace bertcnn::text
