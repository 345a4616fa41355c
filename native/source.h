#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "descriptor.h"
#include "digest.h"
#include "memory.h"

namespace cairn {

// Reading a tree that is to be backed up. Names are single components of an open folder, and symbolic links are never
// followed. All block, none knows N-API; any thread.

/** What statx(2) says of a file. Times in seconds and nanoseconds; a birth time of 0 and 0 is not known. */
struct SourceStatus {
  uint32_t mode = 0, uid = 0, gid = 0, nlink = 0, major = 0, minor = 0;
  uint64_t size = 0, device = 0, inode = 0;
  int64_t mtimeSec = 0, ctimeSec = 0, btimeSec = 0;
  uint32_t mtimeNsec = 0, ctimeNsec = 0, btimeNsec = 0;

  /** Whether nothing was written to the file, nor its attributes changed, since the other was taken. */
  bool isUnchangedSince(const SourceStatus& other) const {
    return inode == other.inode && device == other.device && size == other.size && mtimeSec == other.mtimeSec &&
           mtimeNsec == other.mtimeNsec && ctimeSec == other.ctimeSec && ctimeNsec == other.ctimeNsec;
  }
};

struct SourceXattr {
  std::string name, value;
};

/** A name in a folder. */
struct SourceEntry {
  std::string name;
  int error = 0;        // errno of what could not be read of it, or 0
  bool known = false;   // whether there is a status
  SourceStatus status;
  std::string target;   // of a symbolic link
  std::vector<SourceXattr> xattrs;
};

struct SourceFolder {
  Descriptor descriptor;
  SourceEntry self;                  // of the folder itself; its name is empty
  std::vector<SourceEntry> entries;  // in byte order; what vanished meanwhile is left out
};

/** Opens a folder by a path, links followed, or as a name of an open folder where `parent` is not negative. */
SourceFolder scanFolder(int parent, const std::string& name);

/** A name of an open folder. Throws SystemError where there is none. */
SourceEntry scanEntry(int parent, const std::string& name);

struct SourceFile {
  std::shared_ptr<Descriptor> parent;  // the folder it is in
  std::string name;
  uint64_t size;    // bytes set aside for it
  uint64_t offset;  // where in the bytes its content goes
};

/** How reading a small file went. */
struct SmallFile {
  int error = 0;         // errno, or 0
  bool changed = false;  // it is not `size` bytes long, or was written to while it was read
  uint64_t bytes = 0;    // read
  SourceStatus status;   // after it was read
  bool fresh = false;    // changed so shortly before that a later change might not show in its times
  Digest digest{};
};

/** Reads whole files into `out`, each at its offset, with the SHA-256 of each. */
std::vector<SmallFile> readSmallFiles(const std::vector<SourceFile>& files, uint8_t* out);

struct OpenSource {
  Descriptor descriptor;
  SourceStatus status;
  bool fresh = false;  // as in SmallFile
};

/** Opens a regular file. */
OpenSource openSource(int parent, const std::string& name);

SourceStatus statusOfSource(int descriptor);

/** Bytes read at `offset`, fewer than `length` only where the file ends. */
size_t readInto(int descriptor, uint64_t offset, uint8_t* out, size_t length);

/** [start, end) of the runs of data within [0, size), at most `limit` of them, and where the search ended. */
struct DataRanges {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  uint64_t searched = 0;
};

DataRanges dataRanges(int descriptor, uint64_t from, uint64_t size, size_t limit);

}  // namespace cairn
