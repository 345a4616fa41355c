#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "digest.h"

namespace cairn {

/** Half-open range of bytes of a file. */
struct ByteRange {
  uint64_t start;
  uint64_t end;
};

class DraftBlock;

/**
 * Dirty bytes as they lie in memory, with shared ownership: stays valid whatever becomes of the draft. The bytes are
 * those of the draft at the time it was made as long as nobody writes that range.
 */
struct DraftView {
  std::vector<Bytes> spans;
  std::vector<std::shared_ptr<DraftBlock>> blocks;
  uint64_t length = 0;
};

/**
 * The sparse dirty bytes of one inode. Bytes lie in blocks of 4, 16, 64 or 256 KiB, each an aligned window of the file
 * that never moves once made; a block is at most four times the run of dirty bytes before it (or the write that makes
 * it), so small files and scattered writes stay small. Every method from any thread.
 */
class Draft {
 public:
  Draft() = default;
  ~Draft();
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  /** Copies bytes in and makes [offset, offset + length) dirty. Throws std::bad_alloc, then nothing is dirty anew. */
  void write(uint64_t offset, const uint8_t* bytes, size_t length);

  /** Copies [offset, offset + length) out; false, with nothing promised about `out`, where that is not wholly dirty. */
  bool read(uint64_t offset, uint8_t* out, size_t length) const;

  /** The bytes of [start, end) where they lie; false where that is not wholly dirty. */
  bool view(uint64_t start, uint64_t end, DraftView& out) const;

  /** All dirty ranges, sorted, merged. */
  std::vector<ByteRange> ranges() const;

  /** The dirty parts of [start, end), sorted, merged. */
  std::vector<ByteRange> covered(uint64_t start, uint64_t end) const;

  uint64_t dirtyBytes() const;

  /** Forgets [start, end); blocks that hold nothing dirty any more are given back. */
  void drop(uint64_t start, uint64_t end);

  /** Forgets everything. */
  void clear();

  /** Bytes of blocks held by all drafts, and views of them, in the process. */
  static uint64_t memoryBytes();

 private:
  using Blocks = std::map<uint64_t, std::shared_ptr<DraftBlock>>;

  Blocks::iterator blockAt(uint64_t offset, uint64_t length);
  uint64_t runBefore(uint64_t offset) const;
  bool isDirty(uint64_t start, uint64_t end) const;
  void markDirty(uint64_t start, uint64_t end);
  void unmarkDirty(uint64_t start, uint64_t end);
  void releaseClean(uint64_t start, uint64_t end);

  mutable std::mutex mutex_;
  Blocks blocks_;                        // by the file offset each begins at; they never overlap
  std::map<uint64_t, uint64_t> dirty_;   // start → end; disjoint, not touching
  uint64_t dirtyBytes_ = 0;
};

}  // namespace cairn
