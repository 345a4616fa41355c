#include "new_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "descriptor.h"
#include "errors.h"
#include "files.h"

namespace cairn {

namespace {

/** Until a file has its own: nobody else looks in. */
constexpr mode_t kFirstMode = 0600;

bool setOwner(int descriptor, const NewFile& file, Ownership ownership) {
  if (fchown(descriptor, file.uid, file.gid) == 0) return true;
  if (errno != EPERM || ownership == Ownership::asTold) return false;
  return fchown(descriptor, static_cast<uid_t>(-1), file.gid) == 0 || errno == EPERM;
}

/** Each of owner, mode and times undoes what comes later. */
bool fill(const Descriptor& open, const NewFile& file, Ownership ownership) {
  try {
    writeAll(open, file.content, file.temporary);
  } catch (const SystemError&) {
    return false;
  }
  const int descriptor = open.number();
  return setOwner(descriptor, file, ownership) && fchmod(descriptor, file.mode) == 0 &&
         futimens(descriptor, file.times) == 0;
}

bool make(const NewFile& file, Ownership ownership) {
  const char* temporary = file.temporary.c_str();
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const Descriptor open(Descriptor::retried([&] { return openat(file.folder, temporary, flags, kFirstMode); }));
  if (open.number() < 0) return false;
  if (fill(open, file, ownership) &&
      renameat2(file.folder, temporary, file.folder, file.name.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  unlinkat(file.folder, temporary, 0);
  return false;
}

}  // namespace

std::vector<bool> makeNewFiles(const std::vector<NewFile>& files, Ownership ownership) {
  std::vector<bool> made;
  made.reserve(files.size());
  for (const NewFile& file : files) made.push_back(make(file, ownership));
  return made;
}

}  // namespace cairn
