#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "descriptor.h"

namespace cairn {

namespace {

void sync(const Descriptor& file, const std::string& path) {
  if (Descriptor::retried([&] { return fsync(file.number()); }) != 0) throwErrno("fsync", path);
}

/** The bytes read, fewer than `length` only at the end of the file. */
size_t readAll(int descriptor, uint64_t offset, uint8_t* out, size_t length, const std::string& path) {
  size_t done = 0;
  while (done < length) {
    const ssize_t count = Descriptor::retried(
        [&] { return pread(descriptor, out + done, length - done, static_cast<off_t>(offset + done)); });
    if (count < 0) throwErrno("pread", path);
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  return done;
}

struct stat statusOf(int descriptor, const std::string& path) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) throwErrno("fstat", path);
  return status;
}

std::string folderOf(const std::string& path) {
  const size_t slash = path.find_last_not_of('/') == std::string::npos ? std::string::npos : path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

FileType typeOf(DIR* folder, const dirent& entry, const std::string& path) {
  mode_t mode = DTTOIF(entry.d_type);
  if (entry.d_type == DT_UNKNOWN) {
    struct stat status;
    if (fstatat(dirfd(folder), entry.d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) return FileType::kOther;  // gone since it was listed
      throwErrno("fstatat", path + "/" + entry.d_name);
    }
    mode = status.st_mode;
  }
  if (S_ISREG(mode)) return FileType::kFile;
  if (S_ISDIR(mode)) return FileType::kFolder;
  return S_ISLNK(mode) ? FileType::kSymlink : FileType::kOther;
}

/** rename(2) that replaces nothing: false where something stands there. */
bool isRenamedToNew(const std::string& from, const std::string& to) {
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno != EINVAL) throw SystemError(errno, "renameat2", from, to);
  // The file system does not know the flag.
  if (access(to.c_str(), F_OK) == 0) return false;
  if (errno != ENOENT) throwErrno("access", to);
  renameFile(from, to);
  return true;
}

}  // namespace

void writeAll(const Descriptor& file, Bytes bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written =
        Descriptor::retried([&] { return write(file.number(), bytes.data(), bytes.size()); });
    if (written < 0) throwErrno("write", path);
    if (written == 0) throw SystemError(ENOSPC, "write", path);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void putFile(const std::string& path, const std::string& temporaryPath, Bytes bytes, const PutOptions& options) {
  Descriptor file = Descriptor::open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, options.mode);
  try {
    writeAll(file, bytes, temporaryPath);
    if (options.sync == PutSync::kAlways) sync(file, temporaryPath);
    file.close();
    if (options.sync == PutSync::kWhereItReplaces) {
      if (isRenamedToNew(temporaryPath, path)) return;
      syncPath(temporaryPath, false);
    }
    renameFile(temporaryPath, path);
  } catch (...) {
    unlink(temporaryPath.c_str());
    throw;
  }
  if (options.sync != PutSync::kNever) syncPath(folderOf(path), true);
}

void putNewFile(const PutFile& file, mode_t mode) {
  const std::string& temporaryPath = file.temporaryPath;
  Descriptor open = Descriptor::open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
  try {
    for (const Bytes& part : file.parts) writeAll(open, part, temporaryPath);
    open.close();
    if (!isRenamedToNew(temporaryPath, file.path)) throw SystemError(EEXIST, "rename", temporaryPath, file.path);
  } catch (...) {
    unlink(temporaryPath.c_str());
    throw;
  }
}

std::vector<std::exception_ptr> putNewFiles(const std::vector<PutFile>& files, mode_t mode) {
  std::vector<std::exception_ptr> failures;
  failures.reserve(files.size());
  for (const PutFile& file : files) {
    try {
      putNewFile(file, mode);
      failures.push_back(nullptr);
    } catch (...) {
      failures.push_back(std::current_exception());
    }
  }
  return failures;
}

std::vector<bool> whichMayStand(const std::vector<std::string>& paths) {
  std::vector<bool> stand;
  stand.reserve(paths.size());
  for (const std::string& path : paths) {
    stand.push_back(faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT);
  }
  return stand;
}

FileBytes readFile(const std::string& path) {
  const Descriptor file = Descriptor::open(path, O_RDONLY);
  const struct stat status = statusOf(file.number(), path);
  if (S_ISDIR(status.st_mode)) throw SystemError(EISDIR, "read", path);
  // One byte of room more than stated tells whether the file has grown meanwhile.
  FileBytes bytes{Memory(static_cast<size_t>(status.st_size) + 1), 0};
  for (;;) {
    const size_t room = bytes.memory.capacity() - bytes.size;
    const size_t count = readAll(file.number(), bytes.size, bytes.memory.data() + bytes.size, room, path);
    bytes.size += count;
    if (count < room) return bytes;
    Memory larger(bytes.size * 2);
    std::memcpy(larger.data(), bytes.memory.data(), bytes.size);
    bytes.memory = std::move(larger);
  }
}

FileBytes readRange(const std::string& path, uint64_t offset, size_t length) {
  const Descriptor file = Descriptor::open(path, O_RDONLY);
  FileBytes bytes{Memory(length), 0};
  bytes.size = readAll(file.number(), offset, bytes.memory.data(), length, path);
  return bytes;
}

FileBytes readDescriptor(int descriptor, uint64_t offset, size_t length) {
  FileBytes bytes{Memory(length), 0};
  bytes.size = readAll(descriptor, offset, bytes.memory.data(), length, {});
  return bytes;
}

void writeOut(int descriptor, uint64_t offset, Bytes bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = Descriptor::retried([&] {
      return pwrite(descriptor, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    });
    if (written < 0) throwErrno("pwrite");
    if (written == 0) throw SystemError(ENOSPC, "pwrite");
    done += static_cast<size_t>(written);
  }
  // Where it cannot be had nothing is lost.
  sync_file_range(descriptor, static_cast<off_t>(offset), static_cast<off_t>(bytes.size()), SYNC_FILE_RANGE_WRITE);
}

std::optional<uint64_t> touchFile(const std::string& path) {
  struct stat status;
  if (utimensat(AT_FDCWD, path.c_str(), nullptr, 0) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throwErrno("utimensat", path);
  }
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throwErrno("stat", path);
  }
  return static_cast<uint64_t>(status.st_size);
}

uint64_t fileSize(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) throwErrno("stat", path);
  return static_cast<uint64_t>(status.st_size);
}

bool removeFile(const std::string& path) {
  if (unlink(path.c_str()) == 0) return true;
  if (errno != ENOENT) throwErrno("unlink", path);
  return false;
}

void renameFile(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) throw SystemError(errno, "rename", from, to);
}

std::vector<bool> renameFiles(const std::vector<std::string>& from, const std::vector<std::string>& to) {
  std::vector<bool> renamed;
  renamed.reserve(from.size());
  for (size_t at = 0; at < from.size(); at++) {
    const bool done = rename(from[at].c_str(), to[at].c_str()) == 0;
    // The folder renamed into may be what is missing.
    if (!done && (errno != ENOENT || access(from[at].c_str(), F_OK) == 0)) {
      throw SystemError(errno, "rename", from[at], to[at]);
    }
    renamed.push_back(done);
  }
  return renamed;
}

std::vector<bool> removeFiles(const std::vector<std::string>& paths) {
  std::vector<bool> removed;
  removed.reserve(paths.size());
  for (const std::string& path : paths) removed.push_back(removeFile(path));
  return removed;
}

void linkFile(const std::string& from, const std::string& to) {
  if (link(from.c_str(), to.c_str()) != 0) throw SystemError(errno, "link", from, to);
}

void syncPath(const std::string& path, bool folder) {
  sync(Descriptor::open(path, O_RDONLY | (folder ? O_DIRECTORY : 0)), path);
}

void syncFileSystem(const std::string& path) {
  const Descriptor file = Descriptor::open(path, O_RDONLY);
  if (Descriptor::retried([&] { return syncfs(file.number()); }) != 0) throwErrno("syncfs", path);
}

Listing listFolder(const std::string& path) {
  const auto closeFolder = [](DIR* open) { closedir(open); };
  const std::unique_ptr<DIR, decltype(closeFolder)> folder(opendir(path.c_str()), closeFolder);
  if (folder == nullptr) throwErrno("opendir", path);
  Listing listing;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder.get());
    if (entry == nullptr) {
      if (errno != 0) throwErrno("readdir", path);
      return listing;
    }
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    listing.types.push_back(typeOf(folder.get(), *entry, path));
    listing.names += name;
    listing.ends.push_back(static_cast<uint32_t>(listing.names.size()));
  }
}

FileSystemFigures fileSystemFigures(const std::string& path) {
  struct statvfs figures;
  if (Descriptor::retried([&] { return statvfs(path.c_str(), &figures); }) != 0) throwErrno("statvfs", path);
  const uint64_t unit = figures.f_frsize;
  return {figures.f_blocks * unit, figures.f_bfree * unit, figures.f_bavail * unit, figures.f_files, figures.f_ffree};
}

void makeFolders(const std::vector<std::string>& paths, mode_t mode) {
  for (const std::string& path : paths) {
    if (mkdir(path.c_str(), mode) == 0) continue;
    if (errno != EEXIST) throwErrno("mkdir", path);
    struct stat status;
    if (stat(path.c_str(), &status) != 0) throwErrno("stat", path);
    if (!S_ISDIR(status.st_mode)) throw SystemError(ENOTDIR, "mkdir", path);
  }
}

void reserveFile(const std::string& path, uint64_t bytes) {
  const Descriptor file = Descriptor::open(path, O_RDWR | O_CREAT, 0600);
  const auto allocate = [&] { return fallocate(file.number(), 0, 0, static_cast<off_t>(bytes)); };
  if (bytes > 0 && Descriptor::retried(allocate) != 0) throwErrno("fallocate", path);
}

}  // namespace cairn
