#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "arguments.h"
#include "capabilities.h"
#include "descriptor.h"
#include "guard.h"
#include "handle.h"

namespace cairn {

namespace {

using FileId = std::pair<dev_t, ino_t>;

FileId idOf(const struct stat& status) { return {status.st_dev, status.st_ino}; }

/**
 * One locked file. Classic fcntl locks belong to the process and vanish when it closes any descriptor of the file, so
 * all of the process's locks on a file share one entry, and every descriptor it opened is closed with the last of them.
 */
struct LockedFile {
  std::vector<Descriptor> descriptors;
  uint32_t readers = 0;
  bool writer = false;

  bool idle() const { return readers == 0 && !writer; }
};

struct LockTable {
  std::mutex mutex;
  std::map<FileId, LockedFile> files;

  /** Never destroyed: finalizers may still run while the process ends. */
  static LockTable& instance() {
    static LockTable* table = new LockTable;
    return *table;
  }
};

/** Sets the process's lock on the whole file; false where another process has one in the way. */
bool setLock(int descriptor, short type, const std::string& path) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  if (Descriptor::retried([&] { return fcntl(descriptor, F_SETLK, &lock); }) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throwErrno("fcntl", path);
}

/** The process whose lock keeps ours out; 0 where there is none. */
pid_t holderOf(int descriptor, short type, const std::string& path) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  if (Descriptor::retried([&] { return fcntl(descriptor, F_GETLK, &lock); }) != 0) throwErrno("fcntl", path);
  return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

/** From a write lock to a read lock. Nobody can be in the way; where the kernel refuses, too strong a lock stays. */
void weaken(int descriptor) {
  struct flock lock{};
  lock.l_type = F_RDLCK;
  lock.l_whence = SEEK_SET;
  (void)Descriptor::retried([&] { return fcntl(descriptor, F_SETLK, &lock); });
}

/** One granted lock; released with it. */
class FileLock {
 public:
  FileLock(FileId id, bool write, std::string path) : id_(id), write_(write), path_(std::move(path)) {}
  ~FileLock() { release(); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  pid_t holder() const {
    LockTable& table = LockTable::instance();
    std::lock_guard guard(table.mutex);
    return holderOf(table.files.at(id_).descriptors.front().number(), F_WRLCK, path_);
  }

 private:
  void release() noexcept {
    LockTable& table = LockTable::instance();
    std::lock_guard guard(table.mutex);
    const auto found = table.files.find(id_);
    LockedFile& file = found->second;
    if (write_) {
      file.writer = false;
    } else {
      file.readers--;
    }
    if (file.idle()) {
      table.files.erase(found);  // closing the descriptors unlocks
    } else if (write_) {
      weaken(file.descriptors.front().number());
    }
  }

  FileId id_;
  bool write_;
  std::string path_;
};

/**
 * The table's entry for the file at `path`, made where there is none; one more descriptor is opened only if needed,
 * as it could not be closed while a lock stands.
 */
std::map<FileId, LockedFile>::iterator entryFor(LockTable& table, const std::string& path, int flags) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) {
    const auto known = table.files.find(idOf(status));
    if (known != table.files.end()) return known;
  }
  Descriptor opened = Descriptor::open(path, flags, 0644);
  if (fstat(opened.number(), &status) != 0) throwErrno("fstat", path);
  const auto entry = table.files.try_emplace(idOf(status)).first;
  entry->second.descriptors.push_back(std::move(opened));
  return entry;
}

/** The lock, or nullptr where another process, or for `write` this one, has a lock in the way. */
std::shared_ptr<FileLock> tryLock(const std::string& path, bool write) {
  LockTable& table = LockTable::instance();
  std::lock_guard guard(table.mutex);
  const auto entry = entryFor(table, path, O_RDWR | O_CREAT);
  LockedFile& file = entry->second;
  if (write && file.writer) return nullptr;
  const short type = write || file.writer ? F_WRLCK : F_RDLCK;
  if (!setLock(file.descriptors.front().number(), type, path)) {
    if (file.idle()) table.files.erase(entry);
    return nullptr;
  }
  if (write) {
    file.writer = true;
  } else {
    file.readers++;
  }
  return std::make_shared<FileLock>(entry->first, write, path);
}

/** The process that holds a lock `write` or `read` would collide with, ours included; 0 where there is none. */
pid_t holderAt(const std::string& path, bool write) {
  LockTable& table = LockTable::instance();
  std::lock_guard guard(table.mutex);
  const auto entry = entryFor(table, path, O_RDWR);
  LockedFile& file = entry->second;
  if (write && file.writer) return getpid();
  const pid_t holder = holderOf(file.descriptors.front().number(), write ? F_WRLCK : F_RDLCK, path);
  if (file.idle()) table.files.erase(entry);
  return holder;
}

Napi::Value toJsHolder(Napi::Env env, pid_t holder) {
  if (holder == 0) return env.Undefined();
  return Napi::Number::New(env, holder);
}

Napi::Value lockFile(const Napi::CallbackInfo& info) {
  std::shared_ptr<FileLock> lock = tryLock(pathOf(info[0]), info[1].As<Napi::Boolean>().Value());
  if (lock == nullptr) return info.Env().Undefined();
  return Handle<FileLock>::create(info.Env(), std::move(lock));
}

Napi::Value lockHolder(const Napi::CallbackInfo& info) {
  return toJsHolder(info.Env(), holderAt(pathOf(info[0]), info[1].As<Napi::Boolean>().Value()));
}

Napi::Value fileLockHolder(const Napi::CallbackInfo& info) {
  return toJsHolder(info.Env(), Handle<FileLock>::open(info[0])->holder());
}

Napi::Value releaseFileLock(const Napi::CallbackInfo& info) {
  Handle<FileLock>::of(info[0]).object.reset();
  return info.Env().Undefined();
}

}  // namespace

void initLocks(Napi::Env env, Napi::Object exports) {
  exportFunction<lockFile>(env, exports, "lockFile");
  exportFunction<lockHolder>(env, exports, "lockHolder");
  exportFunction<fileLockHolder>(env, exports, "fileLockHolder");
  exportFunction<releaseFileLock>(env, exports, "releaseFileLock");
}

}  // namespace cairn
