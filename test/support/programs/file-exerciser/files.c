#define _GNU_SOURCE
#include "exerciser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file files[FILES];
size_t max_bytes;
bool clean_tails;
uint8_t *buffer;

static uint64_t state;

void seed_random(uint64_t seed) { state = seed; }

static uint64_t draw(void) {
  state += 0x9e3779b97f4a7c15u;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

size_t below(size_t limit) { return limit == 0 ? 0 : draw() % limit; }

size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

enum {
  HISTORY = 60,  // operations told at a difference
  LINE_BYTES = 160,
};

static char history[HISTORY][LINE_BYTES];
static unsigned long done;

void note(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(history[done % HISTORY], LINE_BYTES, format, args);
  va_end(args);
}

void fail(const char *format, ...) {
  unsigned long first = done >= HISTORY ? done - HISTORY + 1 : 0;
  for (unsigned long i = first; i <= done; i++) fprintf(stderr, "%lu: %s\n", i, history[i % HISTORY]);
  va_list args;
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(1);
}

void next_operation(void) {
  done++;
  note("nothing");
}

/** Anywhere, at the end, where the last write ended, or next to where storage changes. */
size_t offset_in(const struct file *file, size_t limit) {
  static const size_t borders[] = {PAGE, 64 << 10, 128 << 10, 256 << 10, 1 << 20, 4 << 20};
  size_t at;
  switch (below(8)) {
    case 0: at = file->size; break;
    case 1: case 2: at = file->next; break;
    case 3: at = borders[below(sizeof borders / sizeof *borders)] * (1 + below(3)) + below(3) - 1; break;
    case 4: at = below(file->size + 1); break;
    case 5: at = below(smaller(limit, 4 * PAGE)); break;
    default: at = below(limit); break;
  }
  return smaller(at, limit);
}

/** Mostly short; `limit` is the longest. */
size_t length_up_to(size_t limit) {
  limit = smaller(limit, LONGEST);
  switch (below(8)) {
    case 0: return 1 + below(smaller(limit, 16));
    case 1: case 2: return 1 + below(smaller(limit, PAGE));
    case 3: case 4: return 1 + below(smaller(limit, 16 * PAGE));
    case 5: return smaller(limit, PAGE * (1 + below(8)));
    case 6: return 1 + below(smaller(limit, 200 << 10));
    default: return below(4) == 0 ? 1 + below(limit) : 1 + below(smaller(limit, 8 * PAGE));
  }
}

/** Fills the buffer: noise, a short pattern, zeros, or what stands somewhere in one of the files already. */
void fill(size_t length) {
  unsigned kind = below(10);
  if (kind == 0) {
    memset(buffer, 0, length);
  } else if (kind == 1) {
    memset(buffer, 'a' + (int)below(26), length);
  } else if (kind == 2) {
    const struct file *from = &files[below(FILES)];
    size_t at = below(from->size + 1), have = smaller(length, from->size - at);
    memcpy(buffer, from->image + at, have);
    memset(buffer + have, 'z', length - have);
  } else {
    uint64_t word = draw();
    for (size_t i = 0; i < length; i += 8) {
      word = word * 6364136223846793005u + 1442695040888963407u;
      memcpy(buffer + i, &word, 8);
    }
  }
}

/** What a change of size does: beyond the end all is zeros. */
void resize_image(struct file *file, size_t size) {
  if (size < file->size) memset(file->image + size, 0, file->size - size);
  file->size = size;
}

void put_in_image(struct file *file, size_t offset, size_t length) {
  memcpy(file->image + offset, buffer, length);
  if (offset + length > file->size) file->size = offset + length;
  file->next = offset + length;
}

void compare(const struct file *file, size_t offset, size_t length, const uint8_t *found, const char *how) {
  const uint8_t *wanted = file->image + offset;
  if (memcmp(wanted, found, length) == 0) return;
  size_t first = 0, last = length - 1, wrong = 0;
  while (wanted[first] == found[first]) first++;
  while (wanted[last] == found[last]) last--;
  for (size_t i = first; i <= last; i++) wrong += wanted[i] != found[i];
  fail("%c differs by %s: %zu bytes wrong from %zu to %zu, first is %02x, wanted %02x (size %zu)", file->name, how,
       wrong, offset + first, offset + last + 1, found[first], wanted[first], file->size);
}

bool reads(int flags) { return (flags & O_ACCMODE) != O_WRONLY; }

bool writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

const char *flags_text(int flags) {
  static char text[40];
  snprintf(text, sizeof text, "%s%s%s", flags & O_APPEND ? "append " : "", flags & O_DIRECT ? "direct " : "",
           (flags & O_ACCMODE) == O_RDWR ? "rw" : writes(flags) ? "w" : "r");
  return text;
}

void open_handle(struct file *file, struct handle *handle, int flags) {
  handle->fd = open(file->path, flags | O_CREAT | O_CLOEXEC, 0600);
  if (handle->fd < 0) fail("open %c %s: %s", file->name, flags_text(flags), strerror(errno));
  handle->flags = flags;
}

void close_handle(const struct file *file, struct handle *handle) {
  if (handle->fd >= 0 && close(handle->fd) != 0) fail("close %c: %s", file->name, strerror(errno));
  handle->fd = -1;
}

int random_flags(void) {
  static const int access[] = {O_RDONLY, O_WRONLY, O_WRONLY, O_RDWR, O_RDWR};
  int flags = access[below(5)];
  unsigned more = below(6);
  // Not both: an append at an odd offset is none of O_DIRECT's.
  if (more == 0) flags |= O_DIRECT;
  if (more == 1 && writes(flags)) flags |= O_APPEND;
  return flags;
}

/** Any open handle that fits; one is opened where none does. */
struct handle *handle_for(struct file *file, bool (*fits)(int flags), int otherwise) {
  unsigned start = below(HANDLES);
  for (unsigned i = 0; i < HANDLES; i++) {
    struct handle *handle = &file->handles[(start + i) % HANDLES];
    if (handle->fd >= 0 && fits(handle->flags)) return handle;
  }
  struct handle *handle = &file->handles[start];
  close_handle(file, handle);
  open_handle(file, handle, otherwise);
  return handle;
}

void check_whole(struct file *file, const char *when) {
  int fd = open(file->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open %c: %s", file->name, strerror(errno));
  size_t at = 0;
  for (ssize_t got; (got = pread(fd, buffer, 1 << 20, at)) != 0; at += got) {
    if (got < 0) fail("read %s: %s", when, strerror(errno));
    if (at + got > file->size) fail("%c is longer than %zu %s", file->name, file->size, when);
    compare(file, at, got, buffer, when);
  }
  if (at != file->size) fail("%c has %zu bytes, wanted %zu, %s", file->name, at, file->size, when);
  close(fd);
}
