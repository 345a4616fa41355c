#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "digest.h"

namespace cairn {

/**
 * Reed-Solomon over GF(2^8) with a Cauchy matrix, systematic: shards [0, data) are the object itself, shards
 * [data, data + parity) are computed; any `data` of them suffice. data >= 1, parity >= 1, data + parity <= 255.
 */
struct ErasureScheme {
  size_t data;
  size_t parity;
};

/** A shard by its number, and its bytes. */
template <class Byte>
struct Shard {
  size_t index;
  std::span<Byte> bytes;
};

/**
 * Computes the parity shards of an object that is cut into `scheme.data` shards of `shardBytes` bytes; what is missing at
 * its end counts as zeros.
 * @param object at most scheme.data * shardBytes bytes
 * @param parity scheme.parity * shardBytes bytes, one shard after the other. Any thread.
 */
void encodeParity(Bytes object, ErasureScheme scheme, size_t shardBytes, std::span<uint8_t> parity);

/**
 * Computes the parity shards as `encodeParity` does, and CRCs: of the object first, then of each shard, data shards filled
 * up with zeros. Any thread.
 */
std::vector<uint64_t> encodeObject(Bytes object, ErasureScheme scheme, size_t shardBytes, std::span<uint8_t> parity);

/**
 * Computes lost shards of those that are left.
 * @param left exactly scheme.data of them, all of one length, in any order, each index once
 * @param lost where each lost shard goes, of the same length; none of `left`. Any thread.
 */
void rebuildShards(ErasureScheme scheme, const std::vector<Shard<const uint8_t>>& left,
                   const std::vector<Shard<uint8_t>>& lost);

/** CRC-64/XZ (ECMA-182, reflected); `seed` is the CRC of the bytes before. Any thread. */
uint64_t crc64(Bytes bytes, uint64_t seed = 0);

}  // namespace cairn
