#pragma once

#include <napi.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace cairn {

/** A system call that failed. Thrown by code that knows no N-API; may cross threads as an exception_ptr. */
class SystemError : public std::runtime_error {
 public:
  /**
   * @param number errno, positive
   * @param path the file's path where known, else empty
   * @param destination the second path of rename(2) and link(2)
   */
  SystemError(int number, std::string syscall, std::string path = {}, std::string destination = {});

  int number() const { return number_; }
  const std::string& syscall() const { return syscall_; }
  const std::string& path() const { return path_; }
  const std::string& destination() const { return destination_; }

 private:
  int number_;
  std::string syscall_;
  std::string path_;
  std::string destination_;
};

/** Throws a SystemError made of the current errno. */
[[noreturn]] void throwErrno(const char* syscall, const std::string& path = {});

/** Bytes that are not what they must be; becomes a JS Error with `code` 'CAIRN_CORRUPT'. */
class CorruptError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** Sound bytes this code cannot handle (an encrypted blob); becomes a JS Error with `code` 'CAIRN_UNSUPPORTED'. */
class UnsupportedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/**
 * A JS Error with `code` ('ENOSPC'), `errno` (negative, as Node has it), `syscall` and, where known, `path` and `dest`.
 * Loop thread.
 */
Napi::Error toJsError(Napi::Env env, const SystemError& error);

/** The JS Error for whatever was thrown. Loop thread. */
Napi::Error toJsError(Napi::Env env, std::exception_ptr error);

}  // namespace cairn
