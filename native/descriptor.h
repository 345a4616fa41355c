#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "errors.h"

namespace cairn {

/** A file descriptor that is closed with its owner. */
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  /** Calls again as long as a signal interrupts. */
  template <class Call>
  static auto retried(Call call) {
    auto result = call();
    while (result < 0 && errno == EINTR) result = call();
    return result;
  }

  /** open(2), with O_CLOEXEC. Throws SystemError. */
  static Descriptor open(const std::string& path, int flags, mode_t mode = 0) {
    const int number = retried([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); });
    if (number < 0) throwErrno("open", path);
    return Descriptor(number);
  }

  int number() const { return number_; }

  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }

 private:
  int number_ = -1;
};

}  // namespace cairn
