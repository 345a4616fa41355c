#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "digest.h"

namespace cairn {

/** Where chunks may end. For fixed cuts all three sizes are the same. */
struct Cutter {
  size_t minBytes;
  size_t averageBytes;
  size_t maxBytes;

  bool fixed() const { return minBytes == maxBytes; }
};

/** Chunks cut off the start of a run of bytes: their lengths in bytes and the SHA-256 of each. */
struct Cuts {
  std::vector<double> lengths;
  std::vector<Digest> digests;
};

/**
 * Finds the end of one chunk after the other: FastCDC (Xia et al., USENIX ATC 2016), that is a gear rolling hash,
 * nothing looked at before `minBytes`, and a mask of two bits more before `averageBytes`, two bits fewer after it.
 * The hash starts afresh at each cut, so a cut depends only on the bytes since the last one.
 */
class CutScanner {
 public:
  explicit CutScanner(const Cutter& cutter);

  /**
   * Looks at bytes that follow those looked at before.
   * @param cut set to whether the chunk ends after the bytes counted
   * @return how many of the bytes belong to the chunk; all of them where it does not end here
   */
  size_t scan(Bytes bytes, bool& cut);

 private:
  const uint8_t* roll(const uint8_t* at, const uint8_t* end, uint64_t mask, bool& cut);

  Cutter cutter_;
  uint64_t maskBefore_;
  uint64_t maskAfter_;
  uint64_t hash_ = 0;
  size_t length_ = 0;  // bytes of the current chunk looked at so far
};

/**
 * Cuts complete chunks off the start of the spans, taken as one run of bytes, and hashes them.
 * @param final the run ends here: what is left is the last chunk
 */
Cuts cutSpans(std::span<const Bytes> spans, const Cutter& cutter, bool final);

}  // namespace cairn
