#include "blob.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "errors.h"

namespace cairn {

namespace {

using Magic = std::array<uint8_t, 8>;
constexpr Magic kPlain = {0x42, 0xab, 0x38, 0x07, 0xbe, 0x83, 0x70, 0xa1};
constexpr Magic kZstd = {0x31, 0xb9, 0x58, 0x42, 0x6f, 0xb6, 0xa3, 0x7f};
constexpr Magic kEncrypted = {0x7b, 0x67, 0x85, 0xbe, 0x22, 0x2d, 0x4c, 0xf0};
constexpr Magic kZstdEncrypted = {0xe6, 0x59, 0x1b, 0xbf, 0x0b, 0xbf, 0xd8, 0x0b};

constexpr size_t kEncryptedHeaderBytes = 44;
constexpr size_t kFirstGuessBytes = 256u << 10;

struct ZstdDeleter {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

ZSTD_CCtx* compressor() {
  thread_local const std::unique_ptr<ZSTD_CCtx, ZstdDeleter> context(ZSTD_createCCtx());
  if (context == nullptr) throw std::bad_alloc();
  return context.get();
}

ZSTD_DCtx* decompressor() {
  thread_local const std::unique_ptr<ZSTD_DCtx, ZstdDeleter> context(ZSTD_createDCtx());
  if (context == nullptr) throw std::bad_alloc();
  return context.get();
}

/** Bytes of the zstd frame written to `out`, or 0 where it would be larger than `plain`. */
size_t compress(Bytes plain, std::span<uint8_t> out, int level) {
  if (plain.empty()) return 0;
  const size_t size = ZSTD_compressCCtx(compressor(), out.data(), out.size(), plain.data(), plain.size(), level);
  // Too small a buffer is the one error possible here, and means the same as too large a result.
  return ZSTD_isError(size) || size > plain.size() ? 0 : size;
}

[[noreturn]] void corruptStream(size_t code) {
  throw CorruptError(std::string("damaged zstd stream: ") + ZSTD_getErrorName(code));
}

[[noreturn]] void tooLarge(size_t maxPlainBytes) {
  throw CorruptError("holds more than " + std::to_string(maxPlainBytes) + " bytes");
}

void enlarge(PlainBytes& plain, size_t maxPlainBytes) {
  const size_t wanted = std::min(maxPlainBytes, std::max(kFirstGuessBytes, plain.size * 2));
  Memory larger(wanted);
  if (plain.size > 0) std::memcpy(larger.data(), plain.memory.data(), plain.size);
  plain.memory = std::move(larger);
}

/** For streams whose plain size is not known beforehand: no size field, or several frames. */
PlainBytes decompressStream(Bytes stream, size_t maxPlainBytes) {
  // A context of its own: its window buffer may be large, and this is rare.
  const std::unique_ptr<ZSTD_DCtx, ZstdDeleter> context(ZSTD_createDCtx());
  if (context == nullptr) throw std::bad_alloc();
  PlainBytes plain;
  size_t room = 0;
  ZSTD_inBuffer in{stream.data(), stream.size(), 0};
  for (;;) {
    if (plain.size == room && room < maxPlainBytes) {
      enlarge(plain, maxPlainBytes);
      room = std::min(maxPlainBytes, plain.memory.capacity());
    }
    // At the bound one byte more is asked for, elsewhere, to tell a stream that ends here from one that goes on.
    uint8_t surplus = 0;
    const bool full = plain.size == room;
    ZSTD_outBuffer out{full ? &surplus : plain.memory.data() + plain.size, full ? 1 : room - plain.size, 0};
    const size_t before = in.pos;
    const size_t hint = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(hint)) corruptStream(hint);
    if (full && out.pos > 0) tooLarge(maxPlainBytes);
    if (!full) plain.size += out.pos;
    if (hint == 0 && in.pos == in.size) return plain;
    if (in.pos == before && out.pos == 0) throw CorruptError("zstd stream ends too early");
  }
}

PlainBytes decompress(Bytes stream, size_t maxPlainBytes) {
  if (stream.empty()) throw CorruptError("zstd stream is missing");
  const unsigned long long stated = ZSTD_getFrameContentSize(stream.data(), stream.size());
  if (stated == ZSTD_CONTENTSIZE_ERROR) throw CorruptError("not a zstd stream");
  if (stated == ZSTD_CONTENTSIZE_UNKNOWN) return decompressStream(stream, maxPlainBytes);
  if (stated > maxPlainBytes) tooLarge(maxPlainBytes);
  if (ZSTD_findFrameCompressedSize(stream.data(), stream.size()) != stream.size()) {
    return decompressStream(stream, maxPlainBytes);
  }
  PlainBytes plain{Memory(static_cast<size_t>(stated)), 0};
  plain.size = ZSTD_decompressDCtx(decompressor(), plain.memory.data(), static_cast<size_t>(stated), stream.data(),
                                   stream.size());
  if (ZSTD_isError(plain.size)) corruptStream(plain.size);
  return plain;
}

void checkCrc(Bytes blob) {
  uint32_t stated;
  std::memcpy(&stated, blob.data() + 8, sizeof stated);
  if (stated != crc32(blob.subspan(kBlobHeaderBytes))) throw CorruptError("CRC32 does not match");
}

/** What follows a blob's header. */
struct Payload {
  Bytes bytes;
  bool compressed;
};

/** Checks header and CRC32, and the length of what is not compressed. */
Payload payloadOf(Bytes blob, size_t maxPlainBytes) {
  if (blob.size() < kBlobHeaderBytes) {
    throw CorruptError("too short for a blob: " + std::to_string(blob.size()) + " bytes");
  }
  Magic magic;
  std::memcpy(magic.data(), blob.data(), magic.size());
  if (magic == kEncrypted || magic == kZstdEncrypted) {
    if (blob.size() < kEncryptedHeaderBytes) throw CorruptError("too short for an encrypted blob");
    throw UnsupportedError("the blob is encrypted");
  }
  if (magic != kPlain && magic != kZstd) throw CorruptError("unknown magic");
  checkCrc(blob);
  const Payload payload{blob.subspan(kBlobHeaderBytes), magic == kZstd};
  if (!payload.compressed && payload.bytes.size() > maxPlainBytes) tooLarge(maxPlainBytes);
  return payload;
}

}  // namespace

size_t encodeBlob(Bytes plain, std::span<uint8_t> out, int level) {
  const std::span<uint8_t> room = out.subspan(kBlobHeaderBytes);
  size_t size = level == 0 ? 0 : compress(plain, room, level);
  std::memcpy(out.data(), size > 0 ? kZstd.data() : kPlain.data(), kZstd.size());
  if (size == 0) {
    size = plain.size();
    if (size > 0) std::memcpy(room.data(), plain.data(), size);
  }
  const uint32_t checksum = crc32(room.first(size));
  std::memcpy(out.data() + 8, &checksum, sizeof checksum);
  return kBlobHeaderBytes + size;
}

PlainBytes decodeBlob(Bytes blob, size_t maxPlainBytes) {
  const Payload payload = payloadOf(blob, maxPlainBytes);
  if (payload.compressed) return decompress(payload.bytes, maxPlainBytes);
  PlainBytes plain{Memory(payload.bytes.size()), payload.bytes.size()};
  if (!payload.bytes.empty()) std::memcpy(plain.memory.data(), payload.bytes.data(), payload.bytes.size());
  return plain;
}

PlainBytes decodeBlob(Memory blob, size_t size, size_t maxPlainBytes) {
  const Payload payload = payloadOf({blob.data(), size}, maxPlainBytes);
  if (payload.compressed) return decompress(payload.bytes, maxPlainBytes);
  return {std::move(blob), payload.bytes.size(), kBlobHeaderBytes};
}

}  // namespace cairn
