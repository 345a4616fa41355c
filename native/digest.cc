#include "digest.h"

#include <libdeflate.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <bit>
#include <memory>
#include <stdexcept>

namespace cairn {

namespace {

void require(int status) {
  if (status != 1) throw std::runtime_error("OpenSSL cannot compute SHA-256");
}

/** Fetched once: a fetch per digest costs more than hashing 4 KiB. */
const EVP_MD* sha256Method() {
  static const EVP_MD* method = [] {
    // Without the exit handler: pool threads may still hash while exit(3) runs handlers.
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    return EVP_MD_fetch(nullptr, "SHA256", nullptr);
  }();
  if (method == nullptr) throw std::runtime_error("OpenSSL has no SHA-256");
  return method;
}

void startDigest(EVP_MD_CTX* context) { require(EVP_DigestInit_ex2(context, sha256Method(), nullptr)); }

struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

uint64_t littleEndian64(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  static_assert(std::endian::native == std::endian::little);
  return word;
}

struct SipState {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void absorb(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

std::string digestHex(const Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * digest.size());
  for (const uint8_t byte : digest) {
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

Digest sha256(Bytes bytes) {
  thread_local const std::unique_ptr<EVP_MD_CTX, ContextDeleter> context(EVP_MD_CTX_new());
  Digest digest;
  startDigest(context.get());
  require(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()));
  require(EVP_DigestFinal_ex(context.get(), digest.data(), nullptr));
  return digest;
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { startDigest(static_cast<EVP_MD_CTX*>(context_)); }

Sha256::~Sha256() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void Sha256::update(Bytes bytes) {
  require(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), bytes.data(), bytes.size()));
}

Digest Sha256::finish() {
  Digest digest;
  auto* context = static_cast<EVP_MD_CTX*>(context_);
  require(EVP_DigestFinal_ex(context, digest.data(), nullptr));
  startDigest(context);
  return digest;
}

uint32_t crc32(Bytes bytes, uint32_t seed) {
  // libdeflate takes a null pointer, which an empty run may have, as the wish for a first seed.
  return bytes.empty() ? seed : libdeflate_crc32(seed, bytes.data(), bytes.size());
}

uint64_t sipHash24(Bytes bytes, uint64_t key0, uint64_t key1) {
  SipState state{key0 ^ 0x736f6d6570736575u, key1 ^ 0x646f72616e646f6du, key0 ^ 0x6c7967656e657261u,
                 key1 ^ 0x7465646279746573u};
  const size_t whole = bytes.size() / 8 * 8;
  for (size_t at = 0; at < whole; at += 8) state.absorb(littleEndian64(bytes.data() + at));
  uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
  for (size_t at = whole; at < bytes.size(); at++) last |= static_cast<uint64_t>(bytes[at]) << (8 * (at - whole));
  state.absorb(last);
  state.v2 ^= 0xff;
  for (int round = 0; round < 4; round++) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace cairn
