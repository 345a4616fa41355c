#include "source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace cairn {

namespace {

/** Changes within so many nanoseconds may carry the same time: the kernel takes it from a clock that ticks. */
constexpr int64_t kClockTick = 50'000'000;

SourceStatus toStatus(const struct statx& from) {
  SourceStatus to;
  to.mode = from.stx_mode;
  to.uid = from.stx_uid;
  to.gid = from.stx_gid;
  to.nlink = from.stx_nlink;
  to.major = from.stx_rdev_major;
  to.minor = from.stx_rdev_minor;
  to.size = from.stx_size;
  to.device = makedev(from.stx_dev_major, from.stx_dev_minor);
  to.inode = from.stx_ino;
  to.mtimeSec = from.stx_mtime.tv_sec;
  to.mtimeNsec = from.stx_mtime.tv_nsec;
  to.ctimeSec = from.stx_ctime.tv_sec;
  to.ctimeNsec = from.stx_ctime.tv_nsec;
  if (from.stx_mask & STATX_BTIME) {
    to.btimeSec = from.stx_btime.tv_sec;
    to.btimeNsec = from.stx_btime.tv_nsec;
  }
  return to;
}

/** 0, or errno. */
int statOf(int folder, const char* name, int flags, SourceStatus& status) {
  struct statx found;
  if (statx(folder, name, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &found) != 0) return errno;
  status = toStatus(found);
  return 0;
}

/** Tries again with more room as long as the answer grows. A negative result is -errno. */
template <class Call>
ssize_t grown(std::string& room, Call call) {
  for (;;) {
    const ssize_t length = call(room.data(), room.size());
    if (length >= 0) return length;
    if (errno != ERANGE) return -errno;
    const ssize_t wanted = call(nullptr, 0);
    if (wanted < 0) return -errno;
    room.resize(static_cast<size_t>(wanted) + 256);
  }
}

/** Reads extended attributes through a path whose last component is not followed, or of an open file. 0, or errno. */
int readXattrs(int descriptor, const std::string& path, std::vector<SourceXattr>& xattrs) {
  std::string names(256, '\0');
  const ssize_t length = grown(names, [&](char* out, size_t size) {
    return path.empty() ? flistxattr(descriptor, out, size) : llistxattr(path.c_str(), out, size);
  });
  if (length < 0) return length == -ENOTSUP || length == -ENODATA ? 0 : static_cast<int>(-length);
  std::string value;
  for (ssize_t at = 0; at < length;) {
    const std::string name = names.c_str() + at;
    at += static_cast<ssize_t>(name.size()) + 1;
    value.resize(std::max<size_t>(value.size(), 256));
    const ssize_t bytes = grown(value, [&](char* out, size_t size) {
      return path.empty() ? fgetxattr(descriptor, name.c_str(), out, size)
                          : lgetxattr(path.c_str(), name.c_str(), out, size);
    });
    if (bytes == -ENODATA) continue;  // removed since it was listed
    if (bytes < 0) return static_cast<int>(-bytes);
    xattrs.push_back({name, value.substr(0, static_cast<size_t>(bytes))});
  }
  return 0;
}

int readTarget(int folder, const std::string& name, uint64_t size, std::string& target) {
  for (size_t room = std::max<uint64_t>(size + 1, 128);; room *= 2) {
    target.resize(room);
    const ssize_t length = readlinkat(folder, name.c_str(), target.data(), room);
    if (length < 0) return errno;
    if (static_cast<size_t>(length) == room) continue;
    target.resize(static_cast<size_t>(length));
    return 0;
  }
}

/** `prefix` leads to the open folder. */
SourceEntry entryOf(int folder, const std::string& prefix, std::string name) {
  SourceEntry entry;
  entry.error = statOf(folder, name.c_str(), AT_SYMLINK_NOFOLLOW, entry.status);
  if (entry.error == 0) {
    entry.known = true;
    if (S_ISLNK(entry.status.mode)) entry.error = readTarget(folder, name, entry.status.size, entry.target);
    // A folder's are read when it is open.
    if (entry.error == 0 && !S_ISDIR(entry.status.mode)) entry.error = readXattrs(-1, prefix + name, entry.xattrs);
  }
  entry.name = std::move(name);
  return entry;
}

std::string prefixOf(int folder) { return "/proc/self/fd/" + std::to_string(folder) + "/"; }

/** Does not change the access time where the caller owns the file or is root. */
int openQuietly(int folder, const char* name, int flags) {
  const int wanted = flags | O_RDONLY | O_CLOEXEC;
  const int quiet = Descriptor::retried([&] { return openat(folder, name, wanted | O_NOATIME); });
  if (quiet >= 0 || errno != EPERM) return quiet;
  return Descriptor::retried([&] { return openat(folder, name, wanted); });
}

std::vector<std::string> namesIn(int descriptor, const std::string& name) {
  const int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throwErrno("fcntl", name);
  const auto closeFolder = [](DIR* open) { closedir(open); };
  const std::unique_ptr<DIR, decltype(closeFolder)> folder(fdopendir(copy), closeFolder);
  if (folder == nullptr) {
    ::close(copy);
    throwErrno("fdopendir", name);
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder.get());
    if (entry == nullptr) {
      if (errno != 0) throwErrno("readdir", name);
      break;
    }
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/** Whether something changed so shortly before `now` that one more change would carry the same times. */
bool isFresh(const SourceStatus& status, const timespec& now) {
  const int64_t seconds = now.tv_sec - status.ctimeSec;
  if (seconds > 1) return false;
  return seconds * 1'000'000'000 + (now.tv_nsec - static_cast<int64_t>(status.ctimeNsec)) < kClockTick;
}

timespec now() {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

/** Opens a regular file without waiting for anything else that may have taken its place. */
Descriptor openFile(int parent, const std::string& name) {
  Descriptor file(openQuietly(parent, name.c_str(), O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (file.number() < 0) throwErrno("open", name);
  return file;
}

SmallFile readSmall(const SourceFile& file, uint8_t* out) {
  SmallFile read;
  try {
    const timespec before = now();
    const Descriptor open = openFile(file.parent->number(), file.name);
    const SourceStatus first = statusOfSource(open.number());
    if (!S_ISREG(first.mode)) throw SystemError(ESTALE, "open", file.name);
    read.bytes = readInto(open.number(), 0, out + file.offset, file.size);
    read.status = statusOfSource(open.number());
    read.changed = read.bytes != file.size || first.size != file.size || !read.status.isUnchangedSince(first);
    read.fresh = isFresh(read.status, before);
    read.digest = sha256(Bytes(out + file.offset, read.bytes));
  } catch (const SystemError& error) {
    read.error = error.number();
  }
  return read;
}

}  // namespace

SourceFolder scanFolder(int parent, const std::string& name) {
  const bool isRoot = parent < 0;
  const int flags = O_DIRECTORY | (isRoot ? 0 : O_NOFOLLOW);
  SourceFolder folder;
  folder.descriptor = Descriptor(openQuietly(isRoot ? AT_FDCWD : parent, name.c_str(), flags));
  const int number = folder.descriptor.number();
  if (number < 0) throwErrno("open", name);
  folder.self.status = statusOfSource(number);
  folder.self.known = true;
  folder.self.error = readXattrs(number, {}, folder.self.xattrs);
  const std::string prefix = prefixOf(number);
  for (std::string& listed : namesIn(number, name)) {
    SourceEntry entry = entryOf(number, prefix, std::move(listed));
    if (entry.error != ENOENT) folder.entries.push_back(std::move(entry));
  }
  return folder;
}

SourceEntry scanEntry(int parent, const std::string& name) {
  SourceEntry entry = entryOf(parent, prefixOf(parent), name);
  if (!entry.known) throw SystemError(entry.error, "statx", name);
  return entry;
}

std::vector<SmallFile> readSmallFiles(const std::vector<SourceFile>& files, uint8_t* out) {
  std::vector<SmallFile> read;
  read.reserve(files.size());
  for (const SourceFile& file : files) read.push_back(readSmall(file, out));
  return read;
}

OpenSource openSource(int parent, const std::string& name) {
  OpenSource source;
  const timespec before = now();
  source.descriptor = openFile(parent, name);
  source.status = statusOfSource(source.descriptor.number());
  if (!S_ISREG(source.status.mode)) throw SystemError(ESTALE, "open", name);
  source.fresh = isFresh(source.status, before);
  posix_fadvise(source.descriptor.number(), 0, 0, POSIX_FADV_SEQUENTIAL);
  return source;
}

SourceStatus statusOfSource(int descriptor) {
  SourceStatus status;
  const int error = statOf(descriptor, "", AT_EMPTY_PATH, status);
  if (error != 0) throw SystemError(error, "statx");
  return status;
}

size_t readInto(int descriptor, uint64_t offset, uint8_t* out, size_t length) {
  size_t done = 0;
  while (done < length) {
    const ssize_t count = Descriptor::retried(
        [&] { return pread(descriptor, out + done, length - done, static_cast<off_t>(offset + done)); });
    if (count < 0) throwErrno("pread");
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

DataRanges dataRanges(int descriptor, uint64_t from, uint64_t size, size_t limit) {
  DataRanges found;
  found.searched = from;
  while (found.searched < size && found.ranges.size() < limit) {
    const off_t start = lseek(descriptor, static_cast<off_t>(found.searched), SEEK_DATA);
    if (start < 0 && errno != ENXIO) {
      // A file system that cannot tell: all of it is data.
      if (errno != EINVAL && errno != ENOTSUP) throwErrno("lseek");
      found.ranges.emplace_back(found.searched, size);
      found.searched = size;
      break;
    }
    if (start < 0 || static_cast<uint64_t>(start) >= size) {
      found.searched = size;
      break;
    }
    const off_t end = lseek(descriptor, start, SEEK_HOLE);
    if (end < 0) throwErrno("lseek");
    const uint64_t last = std::min<uint64_t>(static_cast<uint64_t>(end), size);
    found.ranges.emplace_back(static_cast<uint64_t>(start), last);
    found.searched = last;
  }
  return found;
}

}  // namespace cairn
