#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "order.h"

// What is to happen to a call.
struct verdict {
  enum action action;
  int error;
};

// Whether anything is to be looked at now; the cheap question every call asks first.
bool armed(void);

// Counts the call and says what is to happen to it.
struct verdict judge_path(enum operation operation, const char *path);
struct verdict judge_at(enum operation operation, int folder, const char *path);
struct verdict judge_descriptor(enum operation operation, int descriptor);
struct verdict judge_rename(int from_folder, const char *from, int to_folder, const char *to);

// Whether the call is not to be done; errno is set then.
bool refused(struct verdict verdict);

// Whether a call that was done is to be reported as failed; errno is set then.
bool spoilt(struct verdict verdict);
