#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "blob.h"
#include "digest.h"

namespace cairn {

/** The plain bytes of a chunk; never written to once shared. */
class Chunk {
 public:
  explicit Chunk(PlainBytes plain) : plain_(std::move(plain)) {}

  const uint8_t* bytes() const { return plain_.bytes().data(); }
  size_t size() const { return plain_.size; }

 private:
  PlainBytes plain_;
};

/**
 * The process's decoded chunks, least recently used out first, bounded by their plain bytes. Whoever holds the pointer
 * from `find` keeps the bytes, evicted or not. Every method from any thread.
 */
class ChunkCache {
 public:
  static ChunkCache& instance();

  /** The chunk, now the most recently used; nullptr where it is not here. */
  std::shared_ptr<const Chunk> find(const Digest& digest);

  /** Whether the chunk is here; its place in the order stays. */
  bool contains(const Digest& digest) const;

  /** Adds the chunk, or renews the one that is here. One larger than the limit is not kept. */
  void insert(const Digest& digest, std::shared_ptr<const Chunk> chunk);

  void drop(const Digest& digest);

  /** Evicts until the bytes fit. */
  void setLimit(uint64_t bytes);

  /** Plain bytes of the chunks here. */
  uint64_t bytes() const;

 private:
  struct Entry {
    Digest digest;
    std::shared_ptr<const Chunk> chunk;
  };
  using Order = std::list<Entry>;
  using Evicted = std::vector<std::shared_ptr<const Chunk>>;

  void evict(Evicted& evicted);

  mutable std::mutex mutex_;
  Order order_;  // most recently used first
  std::unordered_map<Digest, Order::iterator, DigestHash> entries_;
  uint64_t bytes_ = 0;
  uint64_t limit_ = 256u << 20;
};

}  // namespace cairn
