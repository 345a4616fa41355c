#pragma once

#include <sys/types.h>
#include <time.h>

#include <cstdint>
#include <string>
#include <vector>

#include "digest.h"

namespace cairn {

// Making many small files. Blocks, knows no N-API; any thread.

/** A regular file that is to be. */
struct NewFile {
  int folder;  // open, and stays so
  std::string temporary, name;  // single components; what it is called until it is whole, and then
  Bytes content;
  uint32_t mode, uid, gid;
  timespec times[2];  // of access, of modification
};

/** Whose the files become. */
enum class Ownership {
  asTold,
  asAllowed,  // an ordinary user's: what may not be given away stays his
};

/**
 * Makes the files, each whole before it has its name, and replaces nothing. Nothing is left of one that could not be made.
 * @returns for each whether it was made
 */
std::vector<bool> makeNewFiles(const std::vector<NewFile>& files, Ownership ownership);

}  // namespace cairn
