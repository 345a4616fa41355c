// Two files, an image of each in memory, and what operations on them need. Operations are in operations.c.
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  FILES = 2,
  HANDLES = 3,        // open at once, for each file
  PAGE = 4096,        // also what O_DIRECT is aligned to
  LONGEST = 3 << 20,  // bytes of one operation
};

struct handle {
  int fd;  // -1: not open
  int flags;
};

struct file {
  char name;
  char path[PATH_MAX];
  uint8_t *image;
  size_t size;
  size_t next;  // where the last write ended: writers go on there
  struct handle handles[HANDLES];
};

extern struct file files[FILES];
extern size_t max_bytes;  // of a file; whole pages
extern bool clean_tails;  // nothing is put behind the end of a file
extern uint8_t *buffer;   // LONGEST + PAGE bytes, aligned to a page

// Numbers that look random and depend on the seed alone.
void seed_random(uint64_t seed);
size_t below(size_t limit);
size_t smaller(size_t a, size_t b);

// Says what the operation at hand is; begins the next one; tells the last ones and why they ended in a failure.
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);
void next_operation(void);
__attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...);

// Places in a file, and what to write there: `fill` puts it into the buffer.
size_t offset_in(const struct file *file, size_t limit);
size_t length_up_to(size_t limit);
void fill(size_t length);

// The image: what a change of size and a write do to it, and whether the file holds the same.
void resize_image(struct file *file, size_t size);
void put_in_image(struct file *file, size_t offset, size_t length);
void compare(const struct file *file, size_t offset, size_t length, const uint8_t *found, const char *how);
void check_whole(struct file *file, const char *when);

// Handles. `handle_for` gives any open one that fits; one with the flags `otherwise` is opened where none does.
bool reads(int flags);
bool writes(int flags);
const char *flags_text(int flags);
int random_flags(void);
void open_handle(struct file *file, struct handle *handle, int flags);
void close_handle(const struct file *file, struct handle *handle);
struct handle *handle_for(struct file *file, bool (*fits)(int flags), int otherwise);

// Does one random operation to one of the files.
void operate(void);
