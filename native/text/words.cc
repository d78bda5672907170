#include "text/words.h"

namespace bertcnn::text {

const std::array<Divides, 128>& ascii_divides() {
  static const std::array<Divides, 128> table = [] {
    std::array<Divides, 128> made{};
    for (char32_t c = 0; c < made.size(); ++c) made[c] = divides(properties(c));
    return made;
  }();
  return table;
}

}  // namespace bertcnn::text
