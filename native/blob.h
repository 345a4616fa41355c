#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "digest.h"
#include "memory.h"

namespace cairn {

/** Bytes of the header of an unencrypted DataBlob: magic and CRC32 (pbs-format §2.1). */
constexpr size_t kBlobHeaderBytes = 12;

/**
 * Writes `plain` as a DataBlob: one zstd frame where that is not larger, else as it is.
 * @param out at least plain.size() + kBlobHeaderBytes, apart from `plain`
 * @param level zstd level, 0 stores plain
 * @return bytes written. Any thread.
 */
size_t encodeBlob(Bytes plain, std::span<uint8_t> out, int level);

struct PlainBytes {
  Memory memory;
  size_t size = 0;
  size_t start = 0;  // where in the memory they begin

  Bytes bytes() const { return {memory.data() + start, size}; }
};

/**
 * Checks an unencrypted DataBlob's magic and CRC32 and gives its plain bytes. Any thread.
 * Throws CorruptError where the blob is damaged or holds more than `maxPlainBytes`, UnsupportedError where encrypted.
 */
PlainBytes decodeBlob(Bytes blob, size_t maxPlainBytes);

/** As above, of a blob of `size` bytes that is given away: what is not compressed stays where it is. */
PlainBytes decodeBlob(Memory blob, size_t size, size_t maxPlainBytes);

}  // namespace cairn
