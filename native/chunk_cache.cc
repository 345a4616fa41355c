#include "chunk_cache.h"

#include <utility>

namespace cairn {

/** Never destroyed: threads outlive the process's destructors. */
ChunkCache& ChunkCache::instance() {
  static ChunkCache* cache = new ChunkCache;
  return *cache;
}

std::shared_ptr<const Chunk> ChunkCache::find(const Digest& digest) {
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(digest);
  if (found == entries_.end()) return nullptr;
  order_.splice(order_.begin(), order_, found->second);
  return found->second->chunk;
}

bool ChunkCache::contains(const Digest& digest) const {
  std::lock_guard lock(mutex_);
  return entries_.contains(digest);
}

void ChunkCache::insert(const Digest& digest, std::shared_ptr<const Chunk> chunk) {
  Evicted evicted;  // freed after the lock is given up
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(digest);
  if (found != entries_.end()) {
    order_.splice(order_.begin(), order_, found->second);
    return;
  }
  order_.push_front({digest, std::move(chunk)});
  entries_.emplace(digest, order_.begin());
  bytes_ += order_.front().chunk->size();
  evict(evicted);
}

void ChunkCache::drop(const Digest& digest) {
  std::shared_ptr<const Chunk> dropped;  // freed after the lock is given up
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(digest);
  if (found == entries_.end()) return;
  dropped = std::move(found->second->chunk);
  bytes_ -= dropped->size();
  order_.erase(found->second);
  entries_.erase(found);
}

void ChunkCache::setLimit(uint64_t bytes) {
  Evicted evicted;
  std::lock_guard lock(mutex_);
  limit_ = bytes;
  evict(evicted);
}

uint64_t ChunkCache::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

void ChunkCache::evict(Evicted& evicted) {
  while (bytes_ > limit_) {
    Entry& oldest = order_.back();
    bytes_ -= oldest.chunk->size();
    entries_.erase(oldest.digest);
    evicted.push_back(std::move(oldest.chunk));
    order_.pop_back();
  }
}

}  // namespace cairn
