#pragma once

#include <napi.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace cairn {

/** A system call that failed. Thrown by code that knows no N-API; may cross threads as an exception_ptr. */
class SystemError : public std::runtime_error {
 public:
  /** @param number errno, positive  @param syscall its name  @param path the file's path where known, else empty */
  SystemError(int number, std::string syscall, std::string path = {});

  int number() const { return number_; }
  const std::string& syscall() const { return syscall_; }
  const std::string& path() const { return path_; }

 private:
  int number_;
  std::string syscall_;
  std::string path_;
};

/** Throws a SystemError made of the current errno. */
[[noreturn]] void throwErrno(const char* syscall, const std::string& path = {});

/** Bytes that are not what they must be; becomes a JS Error with `code` 'CAIRN_CORRUPT'. */
class CorruptError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** Well-formed bytes this code cannot handle (an encrypted blob); becomes a JS Error with `code` 'CAIRN_UNSUPPORTED'. */
class UnsupportedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/** A JS Error with `code` ('ENOSPC'), `errno` (negative, as Node has it), `syscall` and, where known, `path`. Loop thread. */
Napi::Error toJsError(Napi::Env env, const SystemError& error);

/** The JS Error for whatever was thrown. Loop thread. */
Napi::Error toJsError(Napi::Env env, std::exception_ptr error);

}  // namespace cairn
