#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace cairn {

using Bytes = std::span<const uint8_t>;

/** SHA-256 of a chunk's plain bytes. */
using Digest = std::array<uint8_t, 32>;

/** For hash tables: digests are uniform already. */
struct DigestHash {
  size_t operator()(const Digest& digest) const noexcept {
    size_t hash;
    std::memcpy(&hash, digest.data(), sizeof hash);
    return hash;
  }
};

/** 64 lowercase hex digits. */
std::string digestHex(const Digest& digest);

/** SHA-256 of one run of bytes. Any thread. */
Digest sha256(Bytes bytes);

/** SHA-256 of bytes that come in pieces. One thread at a time; usable again after `finish`. */
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(Bytes bytes);
  Digest finish();

 private:
  void* context_;
};

/** CRC32 as zlib has it (IEEE 802.3); `seed` is the CRC of the bytes before. */
uint32_t crc32(Bytes bytes, uint32_t seed = 0);

/** SipHash-2-4 with any key, given as its two halves. */
uint64_t sipHash24(Bytes bytes, uint64_t key0, uint64_t key1);

}  // namespace cairn
