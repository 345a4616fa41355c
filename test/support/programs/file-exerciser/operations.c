#define _GNU_SOURCE
#include "exerciser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static bool reads_and_writes(int flags) { return reads(flags) && writes(flags) && !(flags & O_APPEND); }

static bool writes_anywhere(int flags) { return writes(flags) && !(flags & O_APPEND); }

static bool writes_at_odd_offsets(int flags) { return writes_anywhere(flags) && !(flags & O_DIRECT); }

static bool reads_at_odd_offsets(int flags) { return reads(flags) && !(flags & O_DIRECT); }

static void align_for(const struct handle *handle, size_t *offset, size_t *length) {
  if (!(handle->flags & O_DIRECT)) return;
  *offset -= *offset % PAGE;
  *length = (*length + PAGE - 1) / PAGE * PAGE;
}

static void do_read(struct file *file) {
  struct handle *handle = handle_for(file, reads, O_RDONLY);
  size_t offset = offset_in(file, file->size + PAGE), length = length_up_to(max_bytes);
  align_for(handle, &offset, &length);
  note("read %c (%s) %zu+%zu", file->name, flags_text(handle->flags), offset, length);
  size_t wanted = offset >= file->size ? 0 : smaller(length, file->size - offset);
  ssize_t got = pread(handle->fd, buffer, length, offset);
  if (got < 0) fail("read: %s", strerror(errno));
  if ((size_t)got != wanted) fail("read gave %zd bytes, wanted %zu", got, wanted);
  compare(file, offset, wanted, buffer, "read");
}

static void do_write(struct file *file) {
  struct handle *handle = handle_for(file, writes_anywhere, below(2) ? O_WRONLY : O_RDWR);
  size_t offset = offset_in(file, max_bytes - PAGE), length = length_up_to(max_bytes - offset);
  align_for(handle, &offset, &length);
  length = smaller(length, max_bytes - offset);
  note("write %c (%s) %zu+%zu", file->name, flags_text(handle->flags), offset, length);
  fill(length);
  ssize_t put = pwrite(handle->fd, buffer, length, offset);
  if (put < 0) fail("write: %s", strerror(errno));
  if ((size_t)put != length) fail("write took %zd bytes", put);
  put_in_image(file, offset, length);
}

/** Several writes one after the other, as a program that copies a file. */
static void do_stream(struct file *file) {
  struct handle *handle = handle_for(file, writes_at_odd_offsets, O_WRONLY);
  size_t offset = offset_in(file, max_bytes - PAGE), left = length_up_to(max_bytes - offset), step = PAGE << below(7);
  note("stream %c (%s) %zu+%zu by %zu", file->name, flags_text(handle->flags), offset, left, step);
  while (left > 0) {
    size_t length = smaller(step, left);
    fill(length);
    if (pwrite(handle->fd, buffer, length, offset) != (ssize_t)length) fail("write: %s", strerror(errno));
    put_in_image(file, offset, length);
    offset += length;
    left -= length;
  }
}

static bool appends(int flags) { return writes(flags) && (flags & O_APPEND); }

static void do_append(struct file *file) {
  if (file->size + PAGE > max_bytes) return;
  struct handle *handle = handle_for(file, appends, O_APPEND | (below(2) ? O_WRONLY : O_RDWR));
  size_t length = length_up_to(max_bytes - file->size), half = length / 2;
  note("append %c (%s) %zu", file->name, flags_text(handle->flags), length);
  fill(length);
  struct iovec parts[] = {{buffer, half}, {buffer + half, length - half}};
  ssize_t put = writev(handle->fd, parts, 2);
  if (put != (ssize_t)length) fail("append of %zu took %zd: %s", length, put, strerror(errno));
  put_in_image(file, file->size, length);
}

static void do_mapped_read(struct file *file) {
  size_t offset = below(file->size) / PAGE * PAGE, length = smaller(length_up_to(max_bytes), file->size - offset);
  if (length == 0) return;
  struct handle *handle = handle_for(file, reads, O_RDONLY);
  bool shared = below(2);
  note("mapped read %c (%s) %zu+%zu%s", file->name, flags_text(handle->flags), offset, length,
       shared ? "" : " private");
  uint8_t *map = mmap(NULL, length, PROT_READ, shared ? MAP_SHARED : MAP_PRIVATE, handle->fd, offset);
  if (map == MAP_FAILED) fail("mmap: %s", strerror(errno));
  compare(file, offset, length, map, "mapped read");
  munmap(map, length);
}

static void do_mapped_write(struct file *file) {
  size_t start = below(file->size) / PAGE * PAGE, skip = below(PAGE);
  if (start + skip >= file->size) return;
  size_t length = smaller(length_up_to(max_bytes), file->size - start - skip), all = skip + length;
  struct handle *handle = handle_for(file, reads_and_writes, O_RDWR);
  unsigned sync = below(4);
  note("mapped write %c (%s) %zu+%zu%s", file->name, flags_text(handle->flags), start + skip, length,
       sync == 0 ? " msync" : "");
  uint8_t *map = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, handle->fd, start);
  if (map == MAP_FAILED) fail("mmap: %s", strerror(errno));
  fill(length);
  memcpy(map + skip, buffer, length);
  // What lies behind the end of the file in its last page belongs to nobody and must not come back.
  size_t tail = (all + PAGE - 1) / PAGE * PAGE;
  if (start + all == file->size && below(2) && !clean_tails) memset(map + all, 0xee, tail - all);
  if (sync == 0 && msync(map, all, MS_SYNC) != 0) fail("msync: %s", strerror(errno));
  munmap(map, all);
  memcpy(file->image + start + skip, buffer, length);
}

static void do_truncate(struct file *file) {
  struct handle *handle = handle_for(file, writes, O_RDWR);
  bool by_name = below(3) == 0;
  size_t size = below(12) == 0 ? 0 : offset_in(file, max_bytes);
  if (below(2)) size = smaller(size, file->size - below(smaller(file->size, 300 << 10) + 1));
  note("truncate %c from %zu to %zu%s", file->name, file->size, size, by_name ? " by name" : "");
  if ((by_name ? truncate(file->path, size) : ftruncate(handle->fd, size)) != 0) fail("truncate: %s", strerror(errno));
  resize_image(file, size);
}

static void do_allocate(struct file *file) {
  static const int modes[] = {FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
                              FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_KEEP_SIZE, 0};
  static const char *const words[] = {"punch", "zero", "zero, keep size,", "allocate, keep size,", "allocate"};
  unsigned choice = below(2) ? 0 : below(5);
  struct handle *handle = handle_for(file, writes, O_RDWR);
  size_t offset = offset_in(file, max_bytes - 1), length = length_up_to(max_bytes - offset);
  note("%s %c (%s) %zu+%zu", words[choice], file->name, flags_text(handle->flags), offset, length);
  if (fallocate(handle->fd, modes[choice], offset, length) != 0) fail("fallocate: %s", strerror(errno));
  size_t end = offset + length, inside = smaller(end, file->size);
  if (choice <= 2 && offset < inside) memset(file->image + offset, 0, inside - offset);
  if (!(modes[choice] & FALLOC_FL_KEEP_SIZE) && end > file->size) resize_image(file, end);
}

/** Of one file into the other, or within one where the ranges do not meet. */
static void do_copy_range(struct file *to) {
  struct file *from = &files[below(FILES)];
  size_t at = below(from->size + 1), into = offset_in(to, max_bytes - 1);
  if (below(3) == 0) at -= at % PAGE, into -= into % PAGE;
  if (below(6) == 0) at = into = 0;
  size_t length = below(6) == 0 ? max_bytes : length_up_to(max_bytes);
  length = smaller(smaller(length, from->size - at), max_bytes - into);
  if (from == to && at < into + length && into < at + length) return;
  struct handle *source = handle_for(from, reads_at_odd_offsets, O_RDONLY);
  struct handle *target = handle_for(to, writes_at_odd_offsets, O_WRONLY);
  // The second search may have closed what the first has found.
  if (source->fd < 0 || !reads(source->flags) || source == target) return;
  note("copy %c %zu+%zu to %c (%s) %zu", from->name, at, length, to->name, flags_text(target->flags), into);
  for (size_t copied = 0; copied < length;) {
    off64_t in = at + copied, out = into + copied;
    ssize_t put = copy_file_range(source->fd, &in, target->fd, &out, length - copied, 0);
    if (put <= 0) fail("copy_file_range at %zu of %zu gave %zd: %s", copied, length, put, strerror(errno));
    copied += put;
  }
  memmove(to->image + into, from->image + at, length);
  if (length > 0 && into + length > to->size) to->size = into + length;
}

static void do_sync(struct file *file) {
  struct handle *handle = handle_for(file, writes, O_RDWR);
  bool data = below(2);
  note("%s %c", data ? "fdatasync" : "fsync", file->name);
  if ((data ? fdatasync(handle->fd) : fsync(handle->fd)) != 0) fail("sync: %s", strerror(errno));
}

static void do_reopen(struct file *file) {
  unsigned which = below(HANDLES);
  bool all = below(4) == 0;
  int flags = random_flags();
  note("close %s of %c, open %s", all ? "all" : "one", file->name, flags_text(flags));
  for (unsigned i = 0; i < HANDLES; i++) {
    if (all || i == which) close_handle(file, &file->handles[i]);
  }
  if (below(40) == 0) {
    flags = O_WRONLY | O_TRUNC;
    resize_image(file, 0);
  }
  open_handle(file, &file->handles[which], flags);
}

static void do_stat(struct file *file) {
  struct stat found;
  note("stat %c", file->name);
  if (stat(file->path, &found) != 0) fail("stat: %s", strerror(errno));
  if ((size_t)found.st_size != file->size) fail("st_size is %jd, wanted %zu", (intmax_t)found.st_size, file->size);
}

/** What lseek(2) calls a hole must be zeros, and all of it inside the file. */
static void do_seek(struct file *file) {
  if (file->size == 0) return;
  struct handle *handle = handle_for(file, reads, O_RDONLY);
  size_t from = below(file->size);
  note("seek %c from %zu", file->name, from);
  off_t data = lseek(handle->fd, from, SEEK_DATA);
  if (data < 0 && errno != ENXIO) fail("SEEK_DATA: %s", strerror(errno));
  size_t end = data < 0 ? file->size : (size_t)data;
  if (end < from || end > file->size) fail("SEEK_DATA gave %zu", end);
  for (size_t i = from; i < end; i++) {
    if (file->image[i] != 0) fail("%c has data at %zu, but SEEK_DATA from %zu gave %zu", file->name, i, from, end);
  }
  off_t hole = lseek(handle->fd, from, SEEK_HOLE);
  if (hole < (off_t)from || hole > (off_t)file->size) fail("SEEK_HOLE gave %jd", (intmax_t)hole);
}

/** Moves bytes with sendfile(2), which reads through the page cache on its own way. */
static void do_send(struct file *file) {
  int pipes[2];
  struct handle *handle = handle_for(file, reads_at_odd_offsets, O_RDONLY);
  size_t offset = below(file->size + 1), length = smaller(1 + below(16 * PAGE), file->size - offset);
  note("sendfile %c (%s) %zu+%zu", file->name, flags_text(handle->flags), offset, length);
  if (length == 0) return;
  if (pipe2(pipes, O_NONBLOCK) != 0) fail("pipe: %s", strerror(errno));
  off_t at = offset;
  ssize_t put = sendfile(pipes[1], handle->fd, &at, length);
  if (put <= 0) fail("sendfile gave %zd: %s", put, strerror(errno));
  if (read(pipes[0], buffer, put) != put) fail("read of a pipe: %s", strerror(errno));
  close(pipes[0]);
  close(pipes[1]);
  compare(file, offset, put, buffer, "sendfile");
}

struct kind {
  unsigned weight;
  void (*run)(struct file *file);
};

static const struct kind KINDS[] = {
    {200, do_read},     {200, do_write},   {30, do_stream}, {40, do_append}, {70, do_mapped_read}, {80, do_mapped_write},
    {60, do_truncate},  {90, do_allocate}, {60, do_copy_range}, {4, do_sync}, {90, do_reopen},     {40, do_stat},
    {30, do_seek},      {15, do_send},
};

void operate(void) {
  unsigned total = 0, at = 0;
  for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) total += KINDS[i].weight;
  struct file *file = &files[below(FILES)];
  unsigned choice = below(total);
  while (choice >= KINDS[at].weight) choice -= KINDS[at++].weight;
  KINDS[at].run(file);
}
