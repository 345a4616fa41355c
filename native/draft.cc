#include "draft.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <iterator>
#include <stdexcept>

#include "memory.h"

namespace cairn {

namespace {

constexpr std::array<uint64_t, 4> kBlockBytes = {256u << 10, 64u << 10, 16u << 10, 4u << 10};
constexpr uint64_t kRunFactor = 4;

std::atomic<uint64_t> heldBytes{0};

/** The largest block size not above `bytes`, else the smallest there is. */
uint64_t blockBytesFor(uint64_t bytes) {
  for (const uint64_t size : kBlockBytes) {
    if (size <= bytes) return size;
  }
  return kBlockBytes.back();
}

}  // namespace

class DraftBlock {
 public:
  DraftBlock(uint64_t start, uint64_t size) : memory_(size), start_(start), size_(size) { heldBytes += size_; }
  ~DraftBlock() { heldBytes -= size_; }
  DraftBlock(const DraftBlock&) = delete;
  DraftBlock& operator=(const DraftBlock&) = delete;

  uint64_t start() const { return start_; }
  uint64_t end() const { return start_ + size_; }
  /** The byte of the file at `offset`, within [start, end). */
  uint8_t* at(uint64_t offset) const { return memory_.data() + (offset - start_); }

 private:
  Memory memory_;
  uint64_t start_;
  uint64_t size_;
};

Draft::~Draft() = default;

uint64_t Draft::memoryBytes() { return heldBytes.load(); }

/** The block that holds `offset`; where there is none, one is made for a write of `length` bytes there. */
Draft::Blocks::iterator Draft::blockAt(uint64_t offset, uint64_t length) {
  const auto next = blocks_.upper_bound(offset);
  uint64_t free = 0;
  if (next != blocks_.begin()) {
    const auto previous = std::prev(next);
    free = previous->second->end();
    if (free > offset) return previous;
  }
  const uint64_t freeEnd = next == blocks_.end() ? UINT64_MAX : next->first;
  const uint64_t wanted = blockBytesFor(std::max(length, kRunFactor * runBefore(offset)));
  for (const uint64_t size : kBlockBytes) {
    const uint64_t start = offset / size * size;
    if (size > wanted || start < free || start + size > freeEnd) continue;
    return blocks_.emplace_hint(next, start, std::make_shared<DraftBlock>(start, size));
  }
  throw std::logic_error("Draft blocks overlap");
}

/** Length of the dirty run that ends at or after `offset` and begins before it, up to `offset`. */
uint64_t Draft::runBefore(uint64_t offset) const {
  const auto next = dirty_.lower_bound(offset);
  if (next == dirty_.begin()) return 0;
  const auto run = std::prev(next);
  return run->second >= offset ? offset - run->first : 0;
}

bool Draft::isDirty(uint64_t start, uint64_t end) const {
  const auto next = dirty_.upper_bound(start);
  return next != dirty_.begin() && std::prev(next)->second >= end;
}

void Draft::markDirty(uint64_t start, uint64_t end) {
  auto run = dirty_.upper_bound(start);
  if (run != dirty_.begin() && std::prev(run)->second >= start) --run;
  // `run` is now the first that touches [start, end), if any does.
  if (run != dirty_.end() && run->first <= start) {
    if (run->second >= end) return;
    dirtyBytes_ -= run->second - run->first;
    start = run->first;
    run = dirty_.erase(run);
  }
  while (run != dirty_.end() && run->first <= end) {
    dirtyBytes_ -= run->second - run->first;
    end = std::max(end, run->second);
    run = dirty_.erase(run);
  }
  dirty_.emplace_hint(run, start, end);
  dirtyBytes_ += end - start;
}

void Draft::unmarkDirty(uint64_t start, uint64_t end) {
  auto run = dirty_.upper_bound(start);
  if (run != dirty_.begin() && std::prev(run)->second > start) --run;
  while (run != dirty_.end() && run->first < end) {
    const ByteRange whole{run->first, run->second};
    run = dirty_.erase(run);
    if (whole.start < start) dirty_.emplace(whole.start, start);
    if (whole.end > end) run = dirty_.emplace(end, whole.end).first;
    dirtyBytes_ -= std::min(whole.end, end) - std::max(whole.start, start);
    if (whole.end > end) break;
  }
}

void Draft::releaseClean(uint64_t start, uint64_t end) {
  auto block = blocks_.upper_bound(start);
  if (block != blocks_.begin()) --block;
  while (block != blocks_.end() && block->first < end) {
    const auto run = dirty_.lower_bound(block->second->end());
    const bool dirty = run != dirty_.begin() && std::prev(run)->second > block->first;
    block = dirty ? std::next(block) : blocks_.erase(block);
  }
}

void Draft::write(uint64_t offset, const uint8_t* bytes, size_t length) {
  if (length == 0) return;
  const uint64_t end = offset + length;
  if (end < offset || end > UINT64_MAX - kBlockBytes.front()) throw std::length_error("Write beyond any file");
  std::lock_guard lock(mutex_);
  try {
    for (uint64_t at = offset; at < end;) {
      DraftBlock& block = *blockAt(at, end - at)->second;
      const uint64_t upTo = std::min(end, block.end());
      std::memcpy(block.at(at), bytes + (at - offset), upTo - at);
      at = upTo;
    }
    markDirty(offset, end);
  } catch (...) {
    releaseClean(offset, end);
    throw;
  }
}

bool Draft::read(uint64_t offset, uint8_t* out, size_t length) const {
  DraftView bytes;
  if (!view(offset, offset + length, bytes)) return false;
  for (const Bytes& span : bytes.spans) {
    std::memcpy(out, span.data(), span.size());
    out += span.size();
  }
  return true;
}

bool Draft::view(uint64_t start, uint64_t end, DraftView& out) const {
  out = {};
  if (end <= start) return end == start;
  std::lock_guard lock(mutex_);
  if (!isDirty(start, end)) return false;
  out.length = end - start;
  auto block = std::prev(blocks_.upper_bound(start));
  for (uint64_t at = start; at < end; ++block) {
    const uint64_t upTo = std::min(end, block->second->end());
    out.spans.emplace_back(block->second->at(at), upTo - at);
    out.blocks.push_back(block->second);
    at = upTo;
  }
  return true;
}

std::vector<ByteRange> Draft::ranges() const { return covered(0, UINT64_MAX); }

std::vector<ByteRange> Draft::covered(uint64_t start, uint64_t end) const {
  std::vector<ByteRange> found;
  if (end <= start) return found;
  std::lock_guard lock(mutex_);
  auto run = dirty_.upper_bound(start);
  if (run != dirty_.begin() && std::prev(run)->second > start) --run;
  for (; run != dirty_.end() && run->first < end; ++run) {
    found.push_back({std::max(run->first, start), std::min(run->second, end)});
  }
  return found;
}

uint64_t Draft::dirtyBytes() const {
  std::lock_guard lock(mutex_);
  return dirtyBytes_;
}

void Draft::drop(uint64_t start, uint64_t end) {
  if (end <= start) return;
  std::lock_guard lock(mutex_);
  unmarkDirty(start, end);
  releaseClean(start, end);
}

void Draft::clear() {
  std::lock_guard lock(mutex_);
  blocks_.clear();
  dirty_.clear();
  dirtyBytes_ = 0;
}

}  // namespace cairn
