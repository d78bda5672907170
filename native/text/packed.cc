#include "text/packed.h"

#include <algorithm>

namespace bertcnn::text {

Packed::Packed(const Encoding& encoding, size_t width, const EncodeOptions& options)
    : encoding_(encoding),
      tokens_(std::max(width, encoding.ids.size())),
      type_ids_(options.type_ids ? tokens_ : 0),
      offsets_(options.offsets ? 2 * tokens_ : 0) {}

void Packed::write(int32_t* out, int32_t pad_id) const {
  const size_t count = encoding_.ids.size();
  const size_t padding = tokens_ - count;
  for (const size_t number : {tokens_, type_ids_, offsets_}) *out++ = static_cast<int32_t>(number);
  *out++ = encoding_.truncated ? 1 : 0;

  out = std::copy(encoding_.ids.begin(), encoding_.ids.end(), out);
  out = std::fill_n(out, padding, pad_id);
  out = std::fill_n(out, count, 1);
  out = std::fill_n(out, padding, 0);
  if (type_ids_ != 0) {
    out = std::copy(encoding_.type_ids.begin(), encoding_.type_ids.end(), out);
    out = std::fill_n(out, padding, 0);
  }
  if (offsets_ != 0) {
    for (const auto& [start, end] : encoding_.offsets) {
      *out++ = start;
      *out++ = end;
    }
    out = std::fill_n(out, 2 * padding, 0);
  }
  auto* bytes = reinterpret_cast<uint8_t*>(out);
  bytes =
      std::copy(encoding_.special_tokens_mask.begin(), encoding_.special_tokens_mask.end(), bytes);
  bytes = std::fill_n(bytes, padding, uint8_t{1});
  std::fill_n(bytes, (4 - tokens_ % 4) % 4, uint8_t{0});
}

}  // namespace bertcnn::text
