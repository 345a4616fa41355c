#include "fuse_reply.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "errors.h"

namespace cairn {

namespace {

// Never written to, so it costs address space only (and not const, else it would lie in the addon's file).
constexpr size_t kZeroBytes = 1u << 20;
uint8_t zeros[kZeroBytes];

/** Reads all of it; 0, the errno, or -1 where the file ends too early. */
int readFully(int descriptor, uint64_t at, uint8_t* out, size_t length) {
  while (length > 0) {
    const ssize_t got = pread(descriptor, out, length, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) return -1;
    out += got;
    at += static_cast<uint64_t>(got);
    length -= static_cast<size_t>(got);
  }
  return 0;
}

}  // namespace

int ReadReply::Descriptors::hold(int descriptor) {
  for (const auto& [original, held] : held_) {
    if (original == descriptor) return held;
  }
  const int held = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (held < 0) throwErrno("dup");
  held_.emplace_back(descriptor, held);
  return held;
}

void ReadReply::Descriptors::release() {
  for (const auto& [original, held] : held_) close(held);
  held_.clear();
}

void ReadReply::begin() {
  parts_.clear();
  parts_.push_back({nullptr, 0});
  files_.clear();
  descriptors_.release();
  chunks_.clear();
  drafts_.clear();
  draftParts_.clear();
  memories_.clear();
}

void ReadReply::addZeros(uint64_t length) {
  while (length > 0) {
    const uint64_t step = std::min<uint64_t>(length, kZeroBytes);
    add(zeros, step);
    length -= step;
  }
}

bool ReadReply::addChunk(const Digest& digest, uint64_t at, uint64_t length) {
  std::shared_ptr<const Chunk> chunk = ChunkCache::instance().find(digest);
  if (chunk == nullptr || at > chunk->size() || length > chunk->size() - at) return false;
  add(chunk->bytes() + at, length);
  chunks_.push_back(std::move(chunk));
  return true;
}

void ReadReply::addFile(int descriptor, uint64_t at, uint64_t length) {
  Memory memory(length);
  files_.push_back({parts_.size(), descriptor, descriptors_.hold(descriptor), at});
  add(memory.data(), length);
  memories_.push_back(std::move(memory));
}

bool ReadReply::addDraft(const Draft& draft, uint64_t at, uint64_t length) {
  DraftView view;
  if (!draft.view(at, at + length, view)) return false;
  for (const Bytes& span : view.spans) {
    draftParts_.push_back(parts_.size());
    add(span.data(), span.size());
  }
  drafts_.push_back(std::move(view));
  return true;
}

void ReadReply::addBytes(Bytes bytes) {
  if (bytes.empty()) return;
  Memory memory(bytes.size());
  std::memcpy(memory.data(), bytes.data(), bytes.size());
  add(memory.data(), bytes.size());
  memories_.push_back(std::move(memory));
}

// The draft may be written to once the loop thread goes on.
void ReadReply::copyDrafts() {
  for (const size_t index : draftParts_) {
    iovec& part = parts_[index];
    Memory memory(part.iov_len);
    std::memcpy(memory.data(), part.iov_base, part.iov_len);
    part.iov_base = memory.data();
    memories_.push_back(std::move(memory));
  }
  draftParts_.clear();
  drafts_.clear();
}

// writev(2) takes no more than IOV_MAX parts.
void ReadReply::flatten() {
  if (parts_.size() <= IOV_MAX) return;
  size_t length = 0;
  for (size_t index = 1; index < parts_.size(); index++) length += parts_[index].iov_len;
  Memory memory(length);
  uint8_t* out = memory.data();
  for (size_t index = 1; index < parts_.size(); index++) {
    std::memcpy(out, parts_[index].iov_base, parts_[index].iov_len);
    out += parts_[index].iov_len;
  }
  parts_.resize(1);
  add(memory.data(), length);
  memories_.push_back(std::move(memory));
}

bool ReadReply::send(FuseConnection& connection, uint64_t unique) {
  flatten();
  const bool taken = connection.reply(unique, parts_);
  begin();
  return taken;
}

class ReadReply::FileTask final : public Task {
 public:
  FileTask(ReadReply reply, std::shared_ptr<FuseConnection> connection, uint64_t unique,
           std::function<void(FileReadFailure)> failed)
      : reply_(std::move(reply)), connection_(std::move(connection)), unique_(unique), failed_(std::move(failed)) {}

  void run(std::unique_ptr<Task>) noexcept override {
    for (const FilePart& file : reply_.files_) {
      const iovec& part = reply_.parts_[file.part];
      const int error = readFully(file.held, file.at, static_cast<uint8_t*>(part.iov_base), part.iov_len);
      if (error == 0) continue;
      connection_->replyError(unique_, EIO);
      failed_({file.descriptor, file.at, std::max(error, 0)});
      return;
    }
    try {
      reply_.send(*connection_, unique_);
    } catch (const std::bad_alloc&) {
      connection_->replyError(unique_, ENOMEM);
    }
  }

 private:
  ReadReply reply_;
  std::shared_ptr<FuseConnection> connection_;
  const uint64_t unique_;
  std::function<void(FileReadFailure)> failed_;
};

std::unique_ptr<Task> ReadReply::intoTask(std::shared_ptr<FuseConnection> connection, uint64_t unique,
                                          std::function<void(FileReadFailure)> failed) {
  copyDrafts();
  ReadReply reply = std::move(*this);
  begin();
  return std::make_unique<FileTask>(std::move(reply), std::move(connection), unique, std::move(failed));
}

}  // namespace cairn
