#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "digest.h"
#include "memory.h"

namespace cairn {

// System calls on files by path. All block, none knows N-API, all throw SystemError; any thread.

/** When the file is synced before the rename, and its folder after it. */
enum class PutSync { kNever, kAlways, kWhereItReplaces };

struct PutOptions {
  mode_t mode;
  PutSync sync;
};

class Descriptor;

/** Writes all bytes where the open file stands. @param path for messages */
void writeAll(const Descriptor& file, Bytes bytes, const std::string& path);

/** Writes to `temporaryPath` and renames it to `path`, replacing what is there. A failure leaves no temporary file. */
void putFile(const std::string& path, const std::string& temporaryPath, Bytes bytes, const PutOptions& options);

/** A file that is to stand where none does. */
struct PutFile {
  std::string path, temporaryPath;
  std::vector<Bytes> parts;  // its bytes, one run after the other
};

/** As `putFile`, without syncing; fails with EEXIST where something stands at the path. */
void putNewFile(const PutFile& file, mode_t mode);

/** `putNewFile` of each, whatever becomes of the others; for each what it failed with, or nothing. */
std::vector<std::exception_ptr> putNewFiles(const std::vector<PutFile>& files, mode_t mode);

/** For each path whether something stands there, or that cannot be told. */
std::vector<bool> whichMayStand(const std::vector<std::string>& paths);

struct FileBytes {
  Memory memory;
  size_t size = 0;
};

FileBytes readFile(const std::string& path);

/** At most `length` bytes from `offset`; fewer only at the end of the file. */
FileBytes readRange(const std::string& path, uint64_t offset, size_t length);
FileBytes readDescriptor(int descriptor, uint64_t offset, size_t length);

/**
 * Writes all bytes at `offset` of the open file, and has the kernel begin to bring them to the disk, so that a sync later has
 * less to wait for.
 */
void writeOut(int descriptor, uint64_t offset, Bytes bytes);

/** Sets both times to now; the file's size, or nothing where it does not exist. */
std::optional<uint64_t> touchFile(const std::string& path);

uint64_t fileSize(const std::string& path);

/** Whether there was a file to remove. */
bool removeFile(const std::string& path);

void renameFile(const std::string& from, const std::string& to);

/** rename(2) of each; for each whether there was a file. Stops at the first failure. */
std::vector<bool> renameFiles(const std::vector<std::string>& from, const std::vector<std::string>& to);

/** unlink(2) of each; for each whether there was a file. Stops at the first failure. */
std::vector<bool> removeFiles(const std::vector<std::string>& paths);
void linkFile(const std::string& from, const std::string& to);

/** fsync(2) of a file or a folder. */
void syncPath(const std::string& path, bool folder);

/** syncfs(2) of the file system that holds `path`. */
void syncFileSystem(const std::string& path);

enum class FileType : uint8_t { kFile, kFolder, kSymlink, kOther };

/** What JS calls each FileType, in their order. */
constexpr std::array<const char*, 4> kFileTypeNames = {"file", "folder", "symlink", "other"};

struct Listing {
  std::string names;           // one after the other
  std::vector<uint32_t> ends;  // where each ends in `names`
  std::vector<FileType> types;
};

/** Everything in a folder but "." and "..", in no order. */
Listing listFolder(const std::string& path);

struct FileSystemFigures {
  uint64_t totalBytes;
  uint64_t freeBytes;
  uint64_t availableBytes;
  uint64_t totalFiles;
  uint64_t freeFiles;
};

FileSystemFigures fileSystemFigures(const std::string& path);

/** Makes the folders in the order given; one that stands already is left alone. */
void makeFolders(const std::vector<std::string>& paths, mode_t mode);

/** Makes the file where needed and sets aside `bytes` of room in it, so that it has at least that size. */
void reserveFile(const std::string& path, uint64_t bytes);

}  // namespace cairn
