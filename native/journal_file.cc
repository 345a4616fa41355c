#include "journal_file.h"

#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "digest.h"

namespace cairn {

JournalFile::JournalFile(const std::string& path, bool create, uint64_t preallocateBytes)
    : path_(path), file_(Descriptor::open(path, O_RDWR | (create ? O_CREAT : 0), 0600)) {
  struct stat status;
  if (fstat(file_.number(), &status) != 0) throwErrno("fstat", path_);
  size_ = static_cast<uint64_t>(status.st_size);
  if (preallocateBytes > size_) {
    // Where there is no room, or the file system cannot, appending goes on without.
    (void)fallocate(file_.number(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(preallocateBytes));
  }
}

uint64_t JournalFile::append(std::span<uint8_t> header, std::vector<iovec>& parts) {
  uint32_t checksum = crc32(header.subspan(8));
  uint64_t length = 0;
  for (const iovec& part : parts) {
    checksum = crc32({static_cast<const uint8_t*>(part.iov_base), part.iov_len}, checksum);
    length += part.iov_len;
  }
  std::memcpy(header.data() + 4, &checksum, sizeof checksum);
  parts.insert(parts.begin(), iovec{header.data(), header.size()});
  const uint64_t start = size_;
  try {
    writeAll(parts, start);
  } catch (const SystemError&) {
    // Where this fails too, the torn record stays beyond `size_`: the next append overwrites it, replay stops at it.
    (void)!ftruncate(file_.number(), static_cast<off_t>(start));
    throw;
  }
  size_ = start + header.size() + length;
  return start;
}

void JournalFile::writeAll(std::vector<iovec>& parts, uint64_t offset) const {
  iovec* next = parts.data();
  iovec* const end = next + parts.size();
  while (next < end) {
    const int count = static_cast<int>(std::min<ptrdiff_t>(end - next, IOV_MAX));
    const ssize_t written = Descriptor::retried(
        [&] { return pwritev(file_.number(), next, count, static_cast<off_t>(offset)); });
    if (written < 0) throwErrno("pwritev", path_);
    if (written == 0) throw SystemError(ENOSPC, "pwritev", path_);
    offset += static_cast<uint64_t>(written);
    size_t left = static_cast<size_t>(written);
    while (next < end && left >= next->iov_len) left -= next++->iov_len;
    if (left > 0) {
      next->iov_base = static_cast<uint8_t*>(next->iov_base) + left;
      next->iov_len -= left;
    }
  }
}

void JournalFile::sync() const {
  if (Descriptor::retried([&] { return fdatasync(file_.number()); }) != 0) throwErrno("fdatasync", path_);
}

}  // namespace cairn
