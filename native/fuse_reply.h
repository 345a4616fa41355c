#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "chunk_cache.h"
#include "digest.h"
#include "draft.h"
#include "fuse_connection.h"
#include "memory.h"
#include "pool.h"

namespace cairn {

/** A read of a file that failed; `error` is 0 where the file ended too early. */
struct FileReadFailure {
  int descriptor;
  uint64_t offset;
  int error;
};

/**
 * The answer to one READ, put together piece by piece. Pieces in memory are not copied: they are pinned until the
 * answer is sent. One thread.
 */
class ReadReply {
 public:
  /** Forgets the pieces of an answer that was not sent. */
  void begin();

  void addZeros(uint64_t length);
  /** @return false where the chunk is not in the cache or shorter than that */
  bool addChunk(const Digest& digest, uint64_t at, uint64_t length);
  /** The bytes of an open file. The descriptor may be closed at once: it is duplicated. Throws SystemError. */
  void addFile(int descriptor, uint64_t at, uint64_t length);
  /** @return false where [at, at + length) is not wholly dirty */
  bool addDraft(const Draft& draft, uint64_t at, uint64_t length);
  /** Copies. */
  void addBytes(Bytes bytes);

  /** Whether a file must be read first, which the loop thread must not do: then `intoTask`, else `send`. */
  bool needsFiles() const { return !files_.empty(); }

  /** Answers the request. @return as FuseConnection::reply */
  bool send(FuseConnection& connection, uint64_t unique);

  /** Makes a task that reads the files and answers the request (EIO where one fails, then `failed` is called there). */
  std::unique_ptr<Task> intoTask(std::shared_ptr<FuseConnection> connection, uint64_t unique,
                                 std::function<void(FileReadFailure)> failed);

 private:
  struct FilePart {
    size_t part;  // index in parts_
    int descriptor;  // as given
    int held;        // its duplicate
    uint64_t at;
  };
  class FileTask;
  /** Duplicates of descriptors, closed at the end. */
  class Descriptors {
   public:
    Descriptors() = default;
    Descriptors(Descriptors&& other) noexcept : held_(std::exchange(other.held_, {})) {}
    ~Descriptors() { release(); }
    int hold(int descriptor);
    void release();

   private:
    std::vector<std::pair<int, int>> held_;  // original, duplicate
  };

  void add(const uint8_t* bytes, uint64_t length) {
    parts_.push_back({const_cast<uint8_t*>(bytes), static_cast<size_t>(length)});
  }
  void copyDrafts();
  void flatten();

  std::vector<iovec> parts_;  // the first is room for the header
  std::vector<FilePart> files_;
  Descriptors descriptors_;
  std::vector<std::shared_ptr<const Chunk>> chunks_;
  std::vector<DraftView> drafts_;
  std::vector<size_t> draftParts_;  // indices in parts_ of drafts' bytes
  std::vector<Memory> memories_;
};

}  // namespace cairn
