#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "descriptor.h"

namespace cairn {

/** A file that records are appended to. `append` from one thread; `sync` from any. */
class JournalFile {
 public:
  /**
   * Opens for reading and appending.
   * @param preallocateBytes room set aside beforehand without changing the file's size; a hint, failure is no error
   */
  JournalFile(const std::string& path, bool create, uint64_t preallocateBytes);

  /**
   * Writes header and parts at the end, after patching the CRC32 of header[8..] and the parts into header[4..8),
   * little-endian. Throws SystemError, then the file is as long as before.
   * @param parts is used up
   * @return where the record starts
   */
  uint64_t append(std::span<uint8_t> header, std::vector<iovec>& parts);

  /** fdatasync(2): what was appended before survives a power cut. */
  void sync() const;

  uint64_t size() const { return size_; }
  int descriptor() const { return file_.number(); }

 private:
  void writeAll(std::vector<iovec>& parts, uint64_t offset) const;

  std::string path_;
  Descriptor file_;
  uint64_t size_ = 0;
};

}  // namespace cairn
