// Decides what happens to a call, as the order in the shared file says.
#define _GNU_SOURCE
#include "judge.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct control *control;

static const struct verdict GO = {ACTION_COUNT, 0};

// Raw system calls: our own open would ask for a verdict.
__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("CAIRN_SHIM");
  if (path == NULL) return;
  const int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  if (file < 0) return;
  void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  syscall(SYS_close, file);
  if (mapped != MAP_FAILED) control = mapped;
}

bool armed(void) {
  return control != NULL && __atomic_load_n(&control->order.armed, __ATOMIC_ACQUIRE) != 0;
}

// The path below the root; NULL where it is not there.
static const char *below_root(const char *path) {
  const size_t length = strlen(control->root);
  if (strncmp(path, control->root, length) != 0) return NULL;
  if (path[length] == '\0') return path + length;
  return path[length] == '/' ? path + length + 1 : NULL;
}

static int class_of(const char *below) {
  for (int number = 0; number < CLASS_LIMIT && control->patterns[number][0] != '\0'; number++) {
    if (fnmatch(control->patterns[number], below, 0) == 0) return number;
  }
  return -1;
}

static void note_hit(enum operation operation, int path_class, const char *below) {
  struct tally *tally = &control->tally;
  if (__atomic_fetch_add(&tally->hit, 1, __ATOMIC_ACQ_REL) != 0) return;
  tally->operation = operation;
  tally->path_class = (uint32_t)path_class;
  snprintf(tally->path, sizeof tally->path, "%s", below);
}

static struct verdict judge(enum operation operation, int path_class, const char *below) {
  const struct order *order = &control->order;
  struct tally *tally = &control->tally;
  __atomic_fetch_add(&tally->counts[path_class][operation], 1, __ATOMIC_RELAXED);
  if ((order->classes >> path_class & 1) == 0 || (order->operations >> operation & 1) == 0) return GO;
  const uint64_t number = __atomic_add_fetch(&tally->seen, 1, __ATOMIC_ACQ_REL);
  if (order->action == ACTION_COUNT || number < order->nth) return GO;
  if (number > order->nth && !order->from_then) return GO;
  note_hit(operation, path_class, below);
  // Bytes that went short once do not go at all from then on.
  const bool again = order->action == ACTION_SHORT && number > order->nth;
  return (struct verdict){again ? ACTION_FAIL : order->action, order->error};
}

struct verdict judge_path(enum operation operation, const char *path) {
  const int kept = errno;
  const char *below = below_root(path);
  const int path_class = below == NULL ? -1 : class_of(below);
  const struct verdict verdict = path_class < 0 ? GO : judge(operation, path_class, below);
  errno = kept;
  return verdict;
}

// The path of an open file; false where it has none.
static bool path_of(int descriptor, char *out, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, out, size - 1);
  if (length <= 0 || out[0] != '/') return false;
  out[length] = '\0';
  char *gone = strstr(out, " (deleted)");
  if (gone != NULL) *gone = '\0';
  return true;
}

// An absolute path; false where it cannot be told.
static bool path_at(int folder, const char *path, char *out, size_t size) {
  if (path[0] == '/' || folder == AT_FDCWD) {
    snprintf(out, size, "%s", path);
    return path[0] == '/';
  }
  char parent[PATH_BYTES];
  if (!path_of(folder, parent, sizeof parent)) return false;
  return snprintf(out, size, "%s/%s", parent, path) < (int)size;
}

struct verdict judge_at(enum operation operation, int folder, const char *path) {
  char whole[2 * PATH_BYTES];
  const int kept = errno;
  const bool known = path_at(folder, path, whole, sizeof whole);
  errno = kept;
  return known ? judge_path(operation, whole) : GO;
}

struct verdict judge_descriptor(enum operation operation, int descriptor) {
  char path[PATH_BYTES];
  const int kept = errno;
  const bool known = path_of(descriptor, path, sizeof path);
  errno = kept;
  return known ? judge_path(operation, path) : GO;
}

struct verdict judge_rename(int from_folder, const char *from, int to_folder, const char *to) {
  char whole[2 * PATH_BYTES];
  // What comes out of a folder of ours (quarantine, forgotten) is of that class, as is what goes there.
  if (path_at(from_folder, from, whole, sizeof whole)) {
    const char *below = below_root(whole);
    if (below != NULL && strncmp(below, ".cairn/", 7) == 0) return judge_path(OP_RENAME, whole);
  }
  return judge_at(OP_RENAME, to_folder, to);
}

static void end_process(void) {
  syscall(SYS_kill, getpid(), SIGKILL);
  for (;;) pause();
}

bool refused(struct verdict verdict) {
  if (verdict.action == ACTION_KILL_BEFORE) end_process();
  if (verdict.action == ACTION_DELAY) usleep(control->order.delay_us);
  if (verdict.action != ACTION_FAIL && verdict.action != ACTION_SHORT) return false;
  errno = verdict.error;
  return true;
}

bool spoilt(struct verdict verdict) {
  if (verdict.action == ACTION_KILL_AFTER) end_process();
  if (verdict.action != ACTION_DONE_AND_FAIL) return false;
  errno = verdict.error;
  return true;
}
