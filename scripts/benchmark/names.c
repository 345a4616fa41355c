// How fast names can be made, looked at and removed; a C program, so that the client costs as little as it can.
//
//   names rates FOLDER COUNT CLIENTS   each client makes COUNT files of 4 KiB in a folder of its own, stats and unlinks
//                                      them; prints what was done per second by all: "create N", "stat N", "unlink N"
//   names latency FOLDER               makes and removes empty files, one each millisecond, until SIGTERM; prints
//                                      "count N", and of making: "p50 µs", "p99 µs", "max µs"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BODY_BYTES = 4096, PATH_BYTES = 4096, SAMPLES = 1 << 22, PAUSE_NANOSECONDS = 1000000 };

static volatile sig_atomic_t ended;

static void end(int signal) {
  (void)signal;
  ended = 1;
}

static void fail(const char *what) {
  fprintf(stderr, "names: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void make(const char *path, size_t bytes) {
  static char body[BODY_BYTES];
  int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) fail(path);
  if (bytes > 0 && write(file, body, bytes) != (ssize_t)bytes) fail(path);
  if (close(file) != 0) fail(path);
}

static void create_one(const char *path) { make(path, BODY_BYTES); }

static void stat_one(const char *path) {
  struct stat found;
  if (stat(path, &found) != 0) fail(path);
}

static void unlink_one(const char *path) {
  if (unlink(path) != 0) fail(path);
}

static const struct {
  const char *name;
  void (*act)(const char *path);
} phases[] = {{"create", create_one}, {"stat", stat_one}, {"unlink", unlink_one}};

// All clients begin at once: each has a process, and waits until the pipe it reads from is closed.
static void run_phase(int phase, const char *folder, int count, int clients) {
  int gate[2];
  if (pipe(gate) != 0) fail("pipe");
  for (int client = 0; client < clients; client++) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child > 0) continue;
    char path[PATH_BYTES], byte;
    close(gate[1]);
    while (read(gate[0], &byte, 1) > 0) continue;
    for (int number = 0; number < count; number++) {
      snprintf(path, sizeof path, "%s/c%d/f%06d", folder, client, number);
      phases[phase].act(path);
    }
    _exit(0);
  }
  close(gate[0]);
  double start = now();
  close(gate[1]);
  for (int client = 0, status; client < clients; client++)
    if (wait(&status) < 0 || status != 0) exit(1);
  printf("%s %.1f\n", phases[phase].name, (double)count * clients / (now() - start));
}

static void rates(const char *folder, int count, int clients) {
  char path[PATH_BYTES];
  for (int client = 0; client < clients; client++) {
    snprintf(path, sizeof path, "%s/c%d", folder, client);
    if (mkdir(path, 0755) != 0) fail(path);
  }
  for (int phase = 0; phase < 3; phase++) run_phase(phase, folder, count, clients);
  for (int client = 0; client < clients; client++) {
    snprintf(path, sizeof path, "%s/c%d", folder, client);
    if (rmdir(path) != 0) fail(path);
  }
}

static int ascending(const void *a, const void *b) {
  float left = *(const float *)a, right = *(const float *)b;
  return (left > right) - (left < right);
}

static void latency(const char *folder) {
  static float took[SAMPLES];
  char path[PATH_BYTES];
  size_t count = 0;
  signal(SIGTERM, end);
  while (!ended && count < SAMPLES) {
    struct timespec pause = {0, PAUSE_NANOSECONDS};
    snprintf(path, sizeof path, "%s/l%zu", folder, count);
    double start = now();
    make(path, 0);
    took[count++] = (float)((now() - start) * 1e6);
    unlink_one(path);
    nanosleep(&pause, NULL);
  }
  qsort(took, count, sizeof *took, ascending);
  printf("count %zu\n", count);
  if (count == 0) return;
  printf("p50 %.0f\np99 %.0f\nmax %.0f\n", took[count / 2], took[(count - 1) * 99 / 100], took[count - 1]);
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc == 5 && strcmp(argv[1], "rates") == 0)
    rates(argv[2], atoi(argv[3]), atoi(argv[4]));
  else if (argc == 3 && strcmp(argv[1], "latency") == 0)
    latency(argv[2]);
  else {
    fprintf(stderr, "usage: names rates FOLDER COUNT CLIENTS | names latency FOLDER\n");
    return 2;
  }
  return 0;
}
