// Does random operations to two files and compares all that is read with images of them in memory.
//
//   file-exerciser SEED OPERATIONS MAX_BYTES FOLDER IMAGES [clean-tails]
//
// The files are FOLDER/a and FOLDER/b. The images are read from IMAGES/a and IMAGES/b where these exist, and written
// there at the end, so that a later run goes on with the same files, for instance after a remount. Everything depends
// on the arguments alone. With `clean-tails` nothing is written through a mapping behind the end of a file. At a difference the last operations are printed and the exit status is 1.
#define _GNU_SOURCE
#include "exerciser.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHECK_EVERY = 4000 };  // operations between two comparisons of a whole file

static void image_path(char *path, const char *folder, const struct file *file) {
  snprintf(path, PATH_MAX, "%s/%c", folder, file->name);
}

static void load_image(struct file *file, const char *folder) {
  char path[PATH_MAX];
  image_path(path, folder, file);
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    if (errno != ENOENT) fail("%s: %s", path, strerror(errno));
    return;
  }
  for (ssize_t got; (got = read(fd, file->image + file->size, max_bytes - file->size)) != 0; file->size += got) {
    if (got < 0) fail("%s: %s", path, strerror(errno));
  }
  close(fd);
  check_whole(file, "at the start");
}

static void save_image(const struct file *file, const char *folder) {
  char path[PATH_MAX];
  image_path(path, folder, file);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) fail("%s: %s", path, strerror(errno));
  for (size_t at = 0; at < file->size;) {
    ssize_t put = write(fd, file->image + at, file->size - at);
    if (put <= 0) fail("%s: %s", path, strerror(errno));
    at += put;
  }
  if (close(fd) != 0) fail("%s: %s", path, strerror(errno));
}

int main(int count, char **args) {
  if (count != 6 && !(count == 7 && strcmp(args[6], "clean-tails") == 0)) {
    fprintf(stderr, "usage: file-exerciser SEED OPERATIONS MAX_BYTES FOLDER IMAGES [clean-tails]\n");
    return 2;
  }
  clean_tails = count == 7;
  seed_random(strtoull(args[1], NULL, 10));
  unsigned long operations = strtoul(args[2], NULL, 10);
  max_bytes = strtoull(args[3], NULL, 10);
  buffer = aligned_alloc(PAGE, LONGEST + PAGE);
  for (unsigned i = 0; i < FILES; i++) {
    struct file *file = &files[i];
    file->name = 'a' + (char)i;
    snprintf(file->path, sizeof file->path, "%s/%c", args[4], file->name);
    file->image = mmap(NULL, max_bytes + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (file->image == MAP_FAILED || buffer == NULL) fail("no memory");
    for (unsigned k = 0; k < HANDLES; k++) file->handles[k].fd = -1;
    load_image(file, args[5]);
    open_handle(file, &file->handles[0], O_RDWR);
  }
  for (unsigned long done = 0; done < operations; done++) {
    operate();
    if (done % CHECK_EVERY == CHECK_EVERY - 1) check_whole(&files[below(FILES)], "now and then");
    next_operation();
  }
  for (unsigned i = 0; i < FILES; i++) {
    check_whole(&files[i], "before closing");
    for (unsigned k = 0; k < HANDLES; k++) close_handle(&files[i], &files[i].handles[k]);
    check_whole(&files[i], "at the end");
    save_image(&files[i], args[5]);
  }
  printf("%lu operations\n", operations);
  return 0;
}
