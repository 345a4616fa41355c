#include "chunker.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

namespace cairn {

namespace {

struct GearTable {
  std::array<uint64_t, 256> word;
  std::array<uint64_t, 256> doubled;
};

/** Word n is the first eight bytes, little-endian, of SHA-256("cairn gear n"), n in decimal. Never to be changed. */
const GearTable& gearTable() {
  static const GearTable table = [] {
    GearTable made;
    for (size_t byte = 0; byte < made.word.size(); byte++) {
      const std::string phrase = "cairn gear " + std::to_string(byte);
      const Digest digest = sha256({reinterpret_cast<const uint8_t*>(phrase.data()), phrase.size()});
      std::memcpy(&made.word[byte], digest.data(), sizeof made.word[byte]);
      made.doubled[byte] = made.word[byte] << 1;
    }
    return made;
  }();
  return table;
}

/** The highest bits depend on the most bytes; bit 63 is left out, as `roll` loses it every other byte. */
uint64_t maskOf(int bits) {
  const int ones = std::clamp(bits, 1, 62);
  return ((uint64_t{1} << ones) - 1) << (63 - ones);
}

/** A place in a run of bytes that lies in several spans. */
class Reader {
 public:
  explicit Reader(std::span<const Bytes> spans) : spans_(spans) { skipEmpty(); }

  bool atEnd() const { return span_ == spans_.size(); }
  Bytes here() const { return spans_[span_].subspan(at_); }

  void advance(size_t bytes) {
    at_ += bytes;
    skipEmpty();
  }

 private:
  void skipEmpty() {
    while (span_ < spans_.size() && at_ == spans_[span_].size()) {
      span_++;
      at_ = 0;
    }
  }

  std::span<const Bytes> spans_;
  size_t span_ = 0;
  size_t at_ = 0;
};

Digest digestOf(Reader& reader, Sha256& sha256, size_t length) {
  for (size_t left = length; left > 0;) {
    const Bytes piece = reader.here().first(std::min(left, reader.here().size()));
    sha256.update(piece);
    reader.advance(piece.size());
    left -= piece.size();
  }
  return sha256.finish();
}

}  // namespace

CutScanner::CutScanner(const Cutter& cutter) : cutter_(cutter) {
  const int bits = std::bit_width(cutter.averageBytes) - 1;
  maskBefore_ = maskOf(bits + 2);
  maskAfter_ = maskOf(bits - 2);
}

/** Two bytes a step: both hashes come from the one before, which halves the chain the processor waits for. */
const uint8_t* CutScanner::roll(const uint8_t* at, const uint8_t* end, uint64_t mask, bool& cut) {
  const GearTable& table = gearTable();
  const uint64_t maskDoubled = mask << 1;
  uint64_t hash = hash_;
  for (; end - at >= 2; at += 2) {
    const uint64_t first = table.doubled[at[0]];
    const uint64_t quadrupled = hash << 2;
    hash = quadrupled + (first + table.word[at[1]]);
    if (((quadrupled + first) & maskDoubled) == 0) {
      cut = true;
      return at + 1;
    }
    if ((hash & mask) == 0) {
      cut = true;
      return at + 2;
    }
  }
  if (at < end) {
    hash = (hash << 1) + table.word[*at++];
    cut = (hash & mask) == 0;
  }
  hash_ = hash;
  return at;
}

size_t CutScanner::scan(Bytes bytes, bool& cut) {
  cut = false;
  const uint8_t* at = bytes.data();
  const uint8_t* const end = at + bytes.size();
  const auto until = [&](size_t length) { return at + std::min<size_t>(end - at, length - length_); };
  const auto advanceTo = [&](const uint8_t* place) {
    length_ += place - at;
    at = place;
  };
  if (length_ < cutter_.minBytes) advanceTo(until(cutter_.minBytes));
  if (length_ >= cutter_.minBytes && length_ < cutter_.averageBytes) {
    advanceTo(roll(at, until(cutter_.averageBytes), maskBefore_, cut));
  }
  if (!cut && length_ >= cutter_.averageBytes && length_ < cutter_.maxBytes) {
    advanceTo(roll(at, until(cutter_.maxBytes), maskAfter_, cut));
  }
  if (length_ == cutter_.maxBytes) cut = true;
  if (cut) {
    hash_ = 0;
    length_ = 0;
  }
  return at - bytes.data();
}

Cuts cutSpans(std::span<const Bytes> spans, const Cutter& cutter, bool final) {
  Cuts cuts;
  CutScanner scanner(cutter);
  Sha256 sha256;
  Reader scanned(spans);
  Reader hashed(spans);
  size_t length = 0;
  while (!scanned.atEnd()) {
    bool cut = false;
    const size_t bytes = scanner.scan(scanned.here(), cut);
    scanned.advance(bytes);
    length += bytes;
    // Hashed once the end is known: the rest of a run that goes on is scanned again next time, but never hashed twice.
    if (cut || (final && scanned.atEnd())) {
      cuts.lengths.push_back(static_cast<double>(length));
      cuts.digests.push_back(digestOf(hashed, sha256, length));
      length = 0;
    }
  }
  return cuts;
}

}  // namespace cairn
