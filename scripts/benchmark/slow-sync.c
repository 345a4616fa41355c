// Makes fsync(2), fdatasync(2) and syncfs(2) of a program take 10 ms longer: LD_PRELOAD. scripts/bench puts it below
// passthrough_ll and a loop device on a file there, which is so a disk that takes 10 ms to make anything durable, for the
// kernel's file systems and static programs too.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

enum { DELAY_NANOSECONDS = 10000000 };

static int delayed(const char *name, int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  struct timespec delay = {0, DELAY_NANOSECONDS};
  nanosleep(&delay, NULL);
  return real(file);
}

int fsync(int file) { return delayed("fsync", file); }
int fdatasync(int file) { return delayed("fdatasync", file); }
int syncfs(int file) { return delayed("syncfs", file); }
