// The calls of libc that files are changed and read with, each asking for a verdict first. Every name under which Node,
// SQLite and the addon call them has to stand here: `nm -D --undefined-only` lists them.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "judge.h"

// The function of this name that would be called without us.
#define REAL(name) ({                                                        \
  static __typeof__(&name) found;                                            \
  if (found == NULL) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name);     \
  found;                                                                     \
})

// Asks for a verdict, and does the call unless it is refused.
#define JUDGED(verdict_of, call, failed) ({                                  \
  const struct verdict verdict = armed() ? (verdict_of) : (struct verdict){ACTION_COUNT, 0}; \
  __typeof__(call) result = refused(verdict) ? (failed) : (call);            \
  if (spoilt(verdict)) result = (failed);                                    \
  result;                                                                    \
})

#define BY_PATH(operation, path, call) return JUDGED(judge_path(operation, path), call, -1)
#define BY_PLACE(operation, folder, path, call) return JUDGED(judge_at(operation, folder, path), call, -1)
#define BY_DESCRIPTOR(operation, descriptor, call) return JUDGED(judge_descriptor(operation, descriptor), call, -1)

static enum operation opening(int flags) { return (flags & O_CREAT) != 0 ? OP_CREATE : OP_OPEN; }

// Opened and yet failed: nobody will close it.
static int opened(struct verdict verdict, int descriptor) {
  if (descriptor < 0 || verdict.action != ACTION_DONE_AND_FAIL) {
    spoilt(verdict);
    return descriptor;
  }
  close(descriptor);
  errno = verdict.error;
  return -1;
}

#define OPENING(verdict_of, call)                                            \
  mode_t mode = 0;                                                           \
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                                \
    va_list rest;                                                            \
    va_start(rest, flags);                                                   \
    mode = va_arg(rest, mode_t);                                             \
    va_end(rest);                                                            \
  }                                                                          \
  if (!armed()) return call;                                                 \
  const struct verdict verdict = verdict_of;                                 \
  if (refused(verdict)) return -1;                                           \
  return opened(verdict, call)

int open(const char *path, int flags, ...) { OPENING(judge_path(opening(flags), path), REAL(open)(path, flags, mode)); }
int open64(const char *path, int flags, ...) {
  OPENING(judge_path(opening(flags), path), REAL(open64)(path, flags, mode));
}
int openat(int folder, const char *path, int flags, ...) {
  OPENING(judge_at(opening(flags), folder, path), REAL(openat)(folder, path, flags, mode));
}
int openat64(int folder, const char *path, int flags, ...) {
  OPENING(judge_at(opening(flags), folder, path), REAL(openat64)(folder, path, flags, mode));
}

// Calls that move bytes: `half` does the call for half of them.
#define MOVING(operation, whole, half)                                       \
  if (!armed()) return whole;                                                \
  const struct verdict verdict = judge_descriptor(operation, descriptor);    \
  if (verdict.action == ACTION_SHORT) return half;                           \
  if (refused(verdict)) return -1;                                           \
  const ssize_t moved = whole;                                               \
  return spoilt(verdict) ? -1 : moved

#define HALF(count) ((count) > 1 ? (count) / 2 : (count))
#define FIRST(parts) (parts)[0].iov_base, HALF((parts)[0].iov_len)

ssize_t write(int descriptor, const void *bytes, size_t count) {
  MOVING(OP_WRITE, REAL(write)(descriptor, bytes, count), REAL(write)(descriptor, bytes, HALF(count)));
}
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t at) {
  MOVING(OP_WRITE, REAL(pwrite)(descriptor, bytes, count, at), REAL(pwrite)(descriptor, bytes, HALF(count), at));
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t at) {
  MOVING(OP_WRITE, REAL(pwrite64)(descriptor, bytes, count, at), REAL(pwrite64)(descriptor, bytes, HALF(count), at));
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  MOVING(OP_WRITE, REAL(writev)(descriptor, parts, count), REAL(write)(descriptor, FIRST(parts)));
}
ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t at) {
  MOVING(OP_WRITE, REAL(pwritev)(descriptor, parts, count, at), REAL(pwrite)(descriptor, FIRST(parts), at));
}
ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t at) {
  MOVING(OP_WRITE, REAL(pwritev64)(descriptor, parts, count, at), REAL(pwrite64)(descriptor, FIRST(parts), at));
}
ssize_t read(int descriptor, void *bytes, size_t count) {
  MOVING(OP_READ, REAL(read)(descriptor, bytes, count), REAL(read)(descriptor, bytes, HALF(count)));
}
ssize_t pread(int descriptor, void *bytes, size_t count, off_t at) {
  MOVING(OP_READ, REAL(pread)(descriptor, bytes, count, at), REAL(pread)(descriptor, bytes, HALF(count), at));
}
ssize_t pread64(int descriptor, void *bytes, size_t count, off64_t at) {
  MOVING(OP_READ, REAL(pread64)(descriptor, bytes, count, at), REAL(pread64)(descriptor, bytes, HALF(count), at));
}
ssize_t readv(int descriptor, const struct iovec *parts, int count) {
  MOVING(OP_READ, REAL(readv)(descriptor, parts, count), REAL(read)(descriptor, FIRST(parts)));
}
ssize_t preadv64(int descriptor, const struct iovec *parts, int count, off64_t at) {
  MOVING(OP_READ, REAL(preadv64)(descriptor, parts, count, at), REAL(pread64)(descriptor, FIRST(parts), at));
}

int fsync(int descriptor) { BY_DESCRIPTOR(OP_SYNC, descriptor, REAL(fsync)(descriptor)); }
int fdatasync(int descriptor) { BY_DESCRIPTOR(OP_SYNC, descriptor, REAL(fdatasync)(descriptor)); }
int syncfs(int descriptor) { BY_DESCRIPTOR(OP_SYNC, descriptor, REAL(syncfs)(descriptor)); }

int ftruncate(int descriptor, off_t length) {
  BY_DESCRIPTOR(OP_TRUNCATE, descriptor, REAL(ftruncate)(descriptor, length));
}
int ftruncate64(int descriptor, off64_t length) {
  BY_DESCRIPTOR(OP_TRUNCATE, descriptor, REAL(ftruncate64)(descriptor, length));
}
int fallocate(int descriptor, int mode, off_t at, off_t length) {
  BY_DESCRIPTOR(OP_ALLOCATE, descriptor, REAL(fallocate)(descriptor, mode, at, length));
}
int fallocate64(int descriptor, int mode, off64_t at, off64_t length) {
  BY_DESCRIPTOR(OP_ALLOCATE, descriptor, REAL(fallocate64)(descriptor, mode, at, length));
}

int rename(const char *from, const char *to) {
  return JUDGED(judge_rename(AT_FDCWD, from, AT_FDCWD, to), REAL(rename)(from, to), -1);
}
int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  return JUDGED(judge_rename(from_folder, from, to_folder, to), REAL(renameat)(from_folder, from, to_folder, to), -1);
}
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags) {
  return JUDGED(judge_rename(from_folder, from, to_folder, to),
                REAL(renameat2)(from_folder, from, to_folder, to, flags), -1);
}
int link(const char *from, const char *to) { BY_PATH(OP_LINK, to, REAL(link)(from, to)); }
int unlink(const char *path) { BY_PATH(OP_UNLINK, path, REAL(unlink)(path)); }
int unlinkat(int folder, const char *path, int flags) {
  BY_PLACE(OP_UNLINK, folder, path, REAL(unlinkat)(folder, path, flags));
}
int rmdir(const char *path) { BY_PATH(OP_UNLINK, path, REAL(rmdir)(path)); }
int mkdir(const char *path, mode_t mode) { BY_PATH(OP_MKDIR, path, REAL(mkdir)(path, mode)); }
int mkdirat(int folder, const char *path, mode_t mode) {
  BY_PLACE(OP_MKDIR, folder, path, REAL(mkdirat)(folder, path, mode));
}

DIR *opendir(const char *path) { return JUDGED(judge_path(OP_LIST, path), REAL(opendir)(path), (DIR *)NULL); }
struct dirent *readdir(DIR *folder) {
  return JUDGED(judge_descriptor(OP_LIST, dirfd(folder)), REAL(readdir)(folder), (struct dirent *)NULL);
}
struct dirent64 *readdir64(DIR *folder) {
  return JUDGED(judge_descriptor(OP_LIST, dirfd(folder)), REAL(readdir64)(folder), (struct dirent64 *)NULL);
}
int scandir64(const char *path, struct dirent64 ***entries, int (*chosen)(const struct dirent64 *),
              int (*order)(const struct dirent64 **, const struct dirent64 **)) {
  BY_PATH(OP_LIST, path, REAL(scandir64)(path, entries, chosen, order));
}

int stat(const char *path, struct stat *out) { BY_PATH(OP_STAT, path, REAL(stat)(path, out)); }
int stat64(const char *path, struct stat64 *out) { BY_PATH(OP_STAT, path, REAL(stat64)(path, out)); }
int lstat64(const char *path, struct stat64 *out) { BY_PATH(OP_STAT, path, REAL(lstat64)(path, out)); }
int utimensat(int folder, const char *path, const struct timespec times[2], int flags) {
  BY_PLACE(OP_TOUCH, folder, path, REAL(utimensat)(folder, path, times, flags));
}
