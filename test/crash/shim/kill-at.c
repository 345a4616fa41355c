// Loaded into the daemon by LD_PRELOAD: kills it at a chosen call that changes the datastore. A *failpoint* is a
// call together with the form of the path it is about, such as "rename:.chunks/#/#": every step that leaves something
// on disk is one, with no code for it in the product. See test/crash/README.md; test/support/kills/kill-shim.ts is
// the other end of the shared file.
#define _GNU_SOURCE
#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define NAME_BYTES 120
#define MAX_POINTS 500
#define MAX_DESCRIPTORS 65536
#define WAIT_TURNS 200

enum moment { BEFORE, HALFWAY, AFTER };

/** Shared with the test; little-endian, natural alignment. */
struct control {
  uint32_t armed;
  uint32_t moment;
  uint32_t passing;      // calls of failpoints not spent that are still to pass
  uint32_t needs_waiting;  // kill only while a request waits for its answer
  uint64_t least_dirty;  // kill only while so many bytes are not synced
  char waiting_file[256];    // the kernel's count of requests that wait
  uint32_t killed;
  uint32_t hit_waiting;
  uint64_t hit_dirty;
  char hit[NAME_BYTES];
  uint64_t written;      // bytes into journal and chunk files
  uint64_t synced;       // of which so many were written before a journal's sync began that has ended
  uint32_t point_count;
  uint32_t padding;
  struct {
    char name[NAME_BYTES];
    uint32_t calls;
    uint32_t spent;  // not to kill at any more
  } points[MAX_POINTS];
};

static struct control *control;
static char below[PATH_MAX];
static size_t below_bytes;
/** Index of the failpoint names' path part by descriptor, plus one; 0: not in the datastore. */
static uint16_t path_of_descriptor[MAX_DESCRIPTORS];
static char paths[MAX_POINTS][NAME_BYTES];
static int path_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define NEXT(name) \
  static __typeof__(&name) next; \
  if (next == NULL) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void start(void) {
  const char *file = getenv("CAIRN_KILL_CONTROL");
  const char *folder = getenv("CAIRN_KILL_BELOW");
  if (file == NULL || folder == NULL) return;
  const int descriptor = open(file, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (shared == MAP_FAILED) return;
  below_bytes = strlen(folder);
  memcpy(below, folder, below_bytes + 1);
  control = shared;
}

/** Whether it is a number, decimal or in hex, or part of a time. */
static int is_number(const char *text, size_t length) {
  const int times = isdigit((unsigned char)text[0]);
  size_t digits = 0;
  for (size_t i = 0; i < length; i++) {
    const int time_letter = times && (text[i] == 'T' || text[i] == 'Z');
    if (!isxdigit((unsigned char)text[i]) && !time_letter) return 0;
    if (isdigit((unsigned char)text[i])) digits++;
  }
  return digits > 0 || length >= 8;
}

/** The form of a path below the datastore: what names one chunk, segment or time becomes "#". 0: it is elsewhere. */
static int form_of(const char *path, char *form) {
  if (strncmp(path, below, below_bytes) != 0 || (path[below_bytes] != '/' && path[below_bytes] != 0)) return 0;
  const char *at = path + below_bytes + (path[below_bytes] == '/');
  const int in_chunks = strncmp(at, ".chunks/", 8) == 0 || strncmp(at, ".cairn/quarantine/", 18) == 0;
  size_t used = 0;
  const char *component = at;
  while (*at != 0 && used < NAME_BYTES - 24) {
    if (!isalnum((unsigned char)*at)) {
      if (*at == '/') component = at + 1;
      form[used++] = *at++;
      continue;
    }
    size_t length = 0;
    while (isalnum((unsigned char)at[length])) length++;
    const int named = in_chunks && at == component && at[-1] == '/';
    const int random = at - 5 >= path && strncmp(at - 5, ".tmp_", 5) == 0;
    if (random || is_number(at, length) || (named && strspn(at, "0123456789abcdef") == length)) {
      form[used++] = '#';
    } else {
      const size_t kept = length < NAME_BYTES - 24 - used ? length : NAME_BYTES - 24 - used;
      memcpy(form + used, at, kept);
      used += kept;
    }
    at += length;
  }
  form[used] = 0;
  if (used == 0) strcpy(form, ".");
  return 1;
}

static void remember(int descriptor, const char *path) {
  char form[NAME_BYTES];
  if (control == NULL || descriptor < 0 || descriptor >= MAX_DESCRIPTORS) return;
  if (!form_of(path, form)) {
    path_of_descriptor[descriptor] = 0;
    return;
  }
  pthread_mutex_lock(&lock);
  int index = 0;
  while (index < path_count && strcmp(paths[index], form) != 0) index++;
  if (index == path_count && path_count < MAX_POINTS) strcpy(paths[path_count++], form);
  path_of_descriptor[descriptor] = index < path_count ? index + 1 : 0;
  pthread_mutex_unlock(&lock);
}

static uint32_t requests_waiting(void) {
  char text[32];
  const int descriptor = open(control->waiting_file, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  const ssize_t count = read(descriptor, text, sizeof text - 1);
  close(descriptor);
  if (count <= 0) return 0;
  text[count] = 0;
  return (uint32_t)strtoul(text, NULL, 10);
}

/** Whether enough is under way for a kill to count; notes what is. */
static int is_time(const char *name) {
  const uint64_t dirty = control->written - control->synced;
  if (dirty < control->least_dirty) return 0;
  uint32_t waiting = requests_waiting();
  for (int turn = 0; control->needs_waiting && waiting == 0; turn++) {
    if (turn == WAIT_TURNS) return 0;
    usleep(1000);
    waiting = requests_waiting();
  }
  control->hit_dirty = dirty;
  control->hit_waiting = waiting;
  strcpy(control->hit, name);
  return 1;
}

static void die(void) {
  control->killed = 1;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void kill_now(const char *name) {
  if (is_time(name)) die();
}

/** Counts a call, and whether it is the one. @returns 1 where the call is to be the daemon's last */
static int reached(const char *call, const char *form, char *name) {
  snprintf(name, NAME_BYTES, "%s:%s", call, form);
  pthread_mutex_lock(&lock);
  uint32_t index = 0;
  while (index < control->point_count && strcmp(control->points[index].name, name) != 0) index++;
  if (index < MAX_POINTS) {
    if (index == control->point_count) {
      strcpy(control->points[index].name, name);
      control->points[index].calls = 0;
      control->points[index].spent = 0;
      control->point_count = index + 1;
    }
    control->points[index].calls++;
  }
  int is_it = control->armed && index < MAX_POINTS && !control->points[index].spent;
  if (is_it && control->passing > 0) {
    control->passing--;
    is_it = 0;
  }
  pthread_mutex_unlock(&lock);
  if (is_it && control->moment == BEFORE) kill_now(name);
  return is_it;
}

static int reached_path(const char *call, const char *path, char *name) {
  char form[NAME_BYTES];
  return control != NULL && form_of(path, form) && reached(call, form, name);
}

static const char *form_of_descriptor(int descriptor) {
  if (control == NULL || descriptor < 0 || descriptor >= MAX_DESCRIPTORS) return NULL;
  const int index = path_of_descriptor[descriptor];
  return index == 0 ? NULL : paths[index - 1];
}

static int reached_descriptor(const char *call, int descriptor, char *name) {
  const char *form = form_of_descriptor(descriptor);
  return form != NULL && reached(call, form, name);
}

static void wrote(int descriptor, ssize_t bytes) {
  const char *form = form_of_descriptor(descriptor);
  if (form == NULL || bytes <= 0) return;
  if (strncmp(form, ".cairn/journal/", 15) == 0 || strncmp(form, ".chunks/", 8) == 0) {
    __atomic_add_fetch(&control->written, (uint64_t)bytes, __ATOMIC_SEQ_CST);
  }
}

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(name); \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
      va_list more; \
      va_start(more, flags); \
      mode = va_arg(more, mode_t); \
      va_end(more); \
    } \
    char point[NAME_BYTES]; \
    const int last = (flags & O_CREAT) && access(path, F_OK) != 0 && reached_path("create", path, point); \
    const int descriptor = next(path, flags, mode); \
    remember(descriptor, path); \
    if (last) kill_now(point); \
    return descriptor; \
  }
OPEN(open)
OPEN(open64)

#define WRITE(name, parameters, arguments, half, half_arguments) \
  ssize_t name parameters { \
    NEXT(name); \
    char point[NAME_BYTES]; \
    const int last = reached_descriptor("write", file, point); \
    if (last && control->moment == HALFWAY && (half) > 0 && is_time(point)) { \
      (void)!next half_arguments; \
      die(); \
    } \
    const ssize_t done = next arguments; \
    wrote(file, done); \
    if (last) kill_now(point); \
    return done; \
  }
WRITE(write, (int file, const void *bytes, size_t count), (file, bytes, count), count / 2, (file, bytes, count / 2))
WRITE(pwrite, (int file, const void *bytes, size_t count, off_t at), (file, bytes, count, at), count / 2,
      (file, bytes, count / 2, at))
WRITE(pwrite64, (int file, const void *bytes, size_t count, off64_t at), (file, bytes, count, at), count / 2,
      (file, bytes, count / 2, at))
// Of several parts all but the last are half of them.
WRITE(writev, (int file, const struct iovec *parts, int count), (file, parts, count), count / 2,
      (file, parts, count / 2))
WRITE(pwritev, (int file, const struct iovec *parts, int count, off_t at), (file, parts, count, at), count / 2,
      (file, parts, count / 2, at))
WRITE(pwritev64, (int file, const struct iovec *parts, int count, off64_t at), (file, parts, count, at), count / 2,
      (file, parts, count / 2, at))

#define SYNC(name) \
  int name(int file) { \
    NEXT(name); \
    const char *form = form_of_descriptor(file); \
    if (form == NULL) return next(file); \
    char point[NAME_BYTES]; \
    const int last = reached("sync", form, point); \
    const uint64_t before = control->written; \
    const int status = next(file); \
    if (status == 0 && strncmp(form, ".cairn/journal/", 15) == 0 && before > control->synced) { \
      control->synced = before; \
    } \
    if (last) kill_now(point); \
    return status; \
  }
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)

#define ON_PATH(name, call, parameters, arguments) \
  int name parameters { \
    NEXT(name); \
    char point[NAME_BYTES]; \
    const int last = reached_path(call, path, point); \
    const int status = next arguments; \
    if (last) kill_now(point); \
    return status; \
  }
ON_PATH(rename, "rename", (const char *from, const char *path), (from, path))
ON_PATH(link, "link", (const char *from, const char *path), (from, path))
ON_PATH(symlink, "symlink", (const char *to, const char *path), (to, path))
ON_PATH(unlink, "unlink", (const char *path), (path))
ON_PATH(rmdir, "rmdir", (const char *path), (path))
ON_PATH(mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))

int renameat2(int from_folder, const char *from, int to_folder, const char *path, unsigned int flags) {
  NEXT(renameat2);
  char point[NAME_BYTES];
  // Relative to a folder only restored files are, which are no part of a store.
  const int last = to_folder == AT_FDCWD && reached_path("rename", path, point);
  const int status = next(from_folder, from, to_folder, path, flags);
  if (last) kill_now(point);
  return status;
}

#define ON_DESCRIPTOR(name, call, parameters, arguments) \
  int name parameters { \
    NEXT(name); \
    char point[NAME_BYTES]; \
    const int last = reached_descriptor(call, file, point); \
    const int status = next arguments; \
    if (last) kill_now(point); \
    return status; \
  }
ON_DESCRIPTOR(ftruncate, "truncate", (int file, off_t size), (file, size))
ON_DESCRIPTOR(ftruncate64, "truncate", (int file, off64_t size), (file, size))

int close(int file) {
  NEXT(close);
  if (file >= 0 && file < MAX_DESCRIPTORS) path_of_descriptor[file] = 0;
  return next(file);
}
