// What the test and the shim share: one file, mapped by every process that has the shim. test/support/io-shim.ts writes
// and reads it at the same offsets; numbers are little endian. All fields of `struct order` are set while `armed` is 0.
#pragma once

#include <stdint.h>

#define CLASS_LIMIT 24
#define PATTERN_BYTES 64
#define PATH_BYTES 512

enum operation {
  OP_OPEN,
  OP_CREATE,
  OP_READ,
  OP_WRITE,
  OP_SYNC,
  OP_RENAME,
  OP_UNLINK,
  OP_TRUNCATE,
  OP_ALLOCATE,
  OP_LINK,
  OP_MKDIR,
  OP_LIST,
  OP_STAT,
  OP_TOUCH,
  OP_LIMIT = 16,
};

enum action {
  ACTION_COUNT,         // nothing happens
  ACTION_FAIL,          // it is not done and fails
  ACTION_DONE_AND_FAIL, // it is done and fails all the same
  ACTION_SHORT,         // half of the bytes are written or read; what is no such call fails
  ACTION_KILL_BEFORE,   // the process dies instead
  ACTION_KILL_AFTER,    // the process dies when it is done
  ACTION_DELAY,         // it is done later
};

struct order {
  uint32_t armed;
  uint32_t classes;    // bit n: paths of class n are meant
  uint32_t operations; // bit n: operation n is meant
  uint32_t action;
  int32_t error;       // errno
  uint32_t from_then;  // whether every call from the nth on is meant
  uint32_t delay_us;
  uint32_t reserved;
  uint64_t nth;        // which of the calls that are meant, from 1
};

struct tally {
  uint64_t seen;      // calls that were meant since it was armed
  uint64_t hit;       // of these, those something was done to
  uint32_t operation; // of the first one hit
  uint32_t path_class;
  char path[PATH_BYTES]; // below the root
  uint64_t counts[CLASS_LIMIT][OP_LIMIT]; // all calls since it was armed, meant or not
};

struct control {
  char root[PATH_BYTES]; // only paths of and below this folder are looked at
  char patterns[CLASS_LIMIT][PATTERN_BYTES]; // fnmatch(3), first that matches a path below the root is its class
  struct order order;
  struct tally tally;
};
