#include "erasure.h"

#include <isa-l/crc64.h>
#include <isa-l/erasure_code.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "galois.h"

namespace cairn {

namespace {

/** Bytes of ISA-L's table for one coefficient. */
constexpr size_t kTableBytes = 32;
/** Shorter runs go to code of ISA-L's that looks up gf_mul by name (see galois.h): they are lengthened. */
constexpr size_t kShortest = 64;
/** ISA-L takes lengths as int. */
constexpr size_t kLongest = 1u << 30;

/** out[row] = sum over columns of coefficients[row][column] * in[column]; `bytes` from kShortest to kLongest. */
void multiplyRun(std::vector<uint8_t>& tables, const std::vector<uint8_t*>& in,
                 const std::vector<uint8_t*>& out, size_t bytes) {
  // ISA-L only reads its sources, but does not say so in its types.
  ec_encode_data(static_cast<int>(bytes), static_cast<int>(in.size()), static_cast<int>(out.size()), tables.data(),
                 const_cast<uint8_t**>(in.data()), const_cast<uint8_t**>(out.data()));
}

/** The same for runs shorter than kShortest, through copies. */
void multiplyShort(std::vector<uint8_t>& tables, const std::vector<uint8_t*>& in, const std::vector<uint8_t*>& out,
                   size_t bytes) {
  std::vector<uint8_t> copies((in.size() + out.size()) * kShortest, 0);
  std::vector<uint8_t*> sources(in.size());
  std::vector<uint8_t*> targets(out.size());
  for (size_t i = 0; i < in.size(); i++) {
    sources[i] = &copies[i * kShortest];
    std::memcpy(sources[i], in[i], bytes);
  }
  for (size_t i = 0; i < out.size(); i++) targets[i] = &copies[(in.size() + i) * kShortest];
  multiplyRun(tables, sources, targets, kShortest);
  for (size_t i = 0; i < out.size(); i++) std::memcpy(out[i], targets[i], bytes);
}

void multiply(GaloisMatrix coefficients, const std::vector<const uint8_t*>& in, const std::vector<uint8_t*>& out,
              size_t bytes) {
  if (bytes > kLongest) throw std::length_error("a shard is larger than 1 GiB");
  std::vector<uint8_t> tables(kTableBytes * in.size() * out.size());
  ec_init_tables(static_cast<int>(in.size()), static_cast<int>(out.size()), coefficients.data(), tables.data());
  std::vector<uint8_t*> sources;
  for (const uint8_t* source : in) sources.push_back(const_cast<uint8_t*>(source));
  if (bytes < kShortest) multiplyShort(tables, sources, out, bytes);
  else multiplyRun(tables, sources, out, bytes);
}

/** What makes the data shards out of those that are left. */
GaloisMatrix inverseOf(const GaloisMatrix& generator, size_t columns, const std::vector<Shard<const uint8_t>>& left) {
  GaloisMatrix rows(columns * columns);
  for (size_t i = 0; i < columns; i++) {
    std::memcpy(&rows[i * columns], &generator[left[i].index * columns], columns);
  }
  return inverseMatrix(std::move(rows), columns);
}

/** CRC of the shard that begins at `start` of the object, which may end before it does. */
uint64_t dataShardCrc(Bytes object, size_t start, size_t shardBytes) {
  static constexpr std::array<uint8_t, 4096> kZeros{};
  const Bytes rest = object.subspan(std::min(start, object.size()));
  const Bytes own = rest.first(std::min(shardBytes, rest.size()));
  uint64_t sum = crc64(own);
  for (size_t missing = shardBytes - own.size(); missing > 0;) {
    const size_t run = std::min(missing, kZeros.size());
    sum = crc64(Bytes(kZeros).first(run), sum);
    missing -= run;
  }
  return sum;
}

}  // namespace

void encodeParity(Bytes object, ErasureScheme scheme, size_t shardBytes, std::span<uint8_t> parity) {
  // Shards that the object's end cuts are copied, so that zeros follow; those behind it share one shard of zeros.
  std::vector<uint8_t> cut;
  std::vector<uint8_t> zeros;
  std::vector<const uint8_t*> in(scheme.data);
  for (size_t i = 0; i < scheme.data; i++) {
    const size_t start = i * shardBytes;
    if (start + shardBytes <= object.size()) {
      in[i] = object.data() + start;
    } else if (start < object.size()) {
      cut.assign(shardBytes, 0);
      std::memcpy(cut.data(), object.data() + start, object.size() - start);
      in[i] = cut.data();
    } else {
      if (zeros.empty()) zeros.assign(shardBytes, 0);
      in[i] = zeros.data();
    }
  }
  std::vector<uint8_t*> out(scheme.parity);
  for (size_t i = 0; i < scheme.parity; i++) out[i] = parity.data() + i * shardBytes;
  const GaloisMatrix generator = cauchyMatrix(scheme.data + scheme.parity, scheme.data);
  const auto parityRows = generator.begin() + static_cast<ptrdiff_t>(scheme.data * scheme.data);
  multiply(GaloisMatrix(parityRows, generator.end()), in, out, shardBytes);
}

std::vector<uint64_t> encodeObject(Bytes object, ErasureScheme scheme, size_t shardBytes, std::span<uint8_t> parity) {
  encodeParity(object, scheme, shardBytes, parity);
  std::vector<uint64_t> sums{crc64(object)};
  for (size_t i = 0; i < scheme.data; i++) sums.push_back(dataShardCrc(object, i * shardBytes, shardBytes));
  for (size_t i = 0; i < scheme.parity; i++) sums.push_back(crc64(parity.subspan(i * shardBytes, shardBytes)));
  return sums;
}

void rebuildShards(ErasureScheme scheme, const std::vector<Shard<const uint8_t>>& left,
                   const std::vector<Shard<uint8_t>>& lost) {
  if (lost.empty()) return;
  const size_t columns = scheme.data;
  const GaloisMatrix generator = cauchyMatrix(scheme.data + scheme.parity, scheme.data);
  const GaloisMatrix inverse = inverseOf(generator, columns, left);
  // A lost shard is its row of the generator times the data shards, which are the inverse times what is left.
  GaloisMatrix coefficients(lost.size() * columns, 0);
  for (size_t row = 0; row < lost.size(); row++) {
    for (size_t column = 0; column < columns; column++) {
      uint8_t sum = 0;
      for (size_t i = 0; i < columns; i++) {
        sum ^= galoisProduct(generator[lost[row].index * columns + i], inverse[i * columns + column]);
      }
      coefficients[row * columns + column] = sum;
    }
  }
  std::vector<const uint8_t*> in(columns);
  for (size_t i = 0; i < columns; i++) in[i] = left[i].bytes.data();
  std::vector<uint8_t*> out(lost.size());
  for (size_t i = 0; i < lost.size(); i++) out[i] = lost[i].bytes.data();
  multiply(std::move(coefficients), in, out, left.front().bytes.size());
}

uint64_t crc64(Bytes bytes, uint64_t seed) { return crc64_ecma_refl(seed, bytes.data(), bytes.size()); }

}  // namespace cairn
