// A variant of strings and vectors whose copies may fail.
#pragma once

#include <utility>
#include <variant>

namespace bertcnn {

/// std::variant, but for its copies. libstdc++ (12, at least) holds that a variant of strings and
/// vectors is never without a value; where memory runs out for a copy it is, and destroying it then
/// ends the process. Here a copy is made first and moved into place.
template <typename... Types>
class Variant : public std::variant<Types...> {
 public:
  using Base = std::variant<Types...>;
  using Base::Base;
  using Base::operator=;

  Variant() = default;
  Variant(const Variant& other) : Base() { assign(other); }
  Variant(Variant&& other) noexcept = default;
  ~Variant() = default;
  Variant& operator=(const Variant& other) {
    if (this != &other) assign(other);
    return *this;
  }
  Variant& operator=(Variant&& other) noexcept = default;

 private:
  void assign(const Base& other) {
    std::visit(
        [this](const auto& value) {
          auto copy = value;
          Base::operator=(std::move(copy));
        },
        other);
  }
};

}  // namespace bertcnn
