#include "fuse_mount.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>
#include <vector>

#include "errors.h"

extern char** environ;

namespace cairn {

namespace {

/** A descriptor closed at the end of its scope. */
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }
  void reset(int number = -1) {
    if (number_ >= 0) close(number_);
    number_ = number;
  }

 private:
  int number_;
};

/** The descriptor one message over the socket carries; -1 where the other side closed it without one. */
int receiveDescriptor(int socket) {
  char byte;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) throwErrno("recvmsg");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (received == 0 || header == nullptr || header->cmsg_type != SCM_RIGHTS) return -1;
  int descriptor;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return descriptor;
}

/** A run of the helper; its messages come through a pipe. */
class Helper {
 public:
  /** @param inherited given to the program as descriptor 3 and named in _FUSE_COMMFD; -1: none */
  Helper(const std::string& program, std::vector<std::string> arguments, int inherited) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throwErrno("pipe2");
    messages_.reset(ends[0]);
    Descriptor writeEnd(ends[1]);
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    char commandDescriptor[] = "_FUSE_COMMFD=3";
    std::vector<char*> environment;
    for (char** entry = environ; *entry != nullptr; entry++) environment.push_back(*entry);
    if (inherited >= 0) environment.push_back(commandDescriptor);
    environment.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, writeEnd.get(), STDERR_FILENO);
    if (inherited >= 0) posix_spawn_file_actions_adddup2(&actions, inherited, 3);
    const int error = posix_spawnp(&process_, program.c_str(), &actions, nullptr, argv.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw SystemError(error, "spawn", program);
  }

  /** Waits for its end and throws with what it said where it failed. */
  void finish() {
    std::string said;
    char buffer[512];
    for (;;) {
      const ssize_t got = read(messages_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      said.append(buffer, static_cast<size_t>(got));
    }
    int status = 0;
    while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    while (!said.empty() && said.back() == '\n') said.pop_back();
    throw std::runtime_error(said.empty() ? "fusermount3 failed without a word" : said);
  }

 private:
  pid_t process_ = 0;
  Descriptor messages_;
};

}  // namespace

int mountAsRoot(const std::string& mountpoint, const std::string& type, const std::string& source, unsigned long flags,
                const std::string& options) {
  Descriptor descriptor(open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) throwErrno("open", "/dev/fuse");
  struct stat root;
  if (stat(mountpoint.c_str(), &root) != 0) throwErrno("stat", mountpoint);
  const std::string data = "fd=" + std::to_string(descriptor.get()) + ",rootmode=40000,user_id=" +
                           std::to_string(getuid()) + ",group_id=" + std::to_string(getgid()) +
                           (options.empty() ? "" : "," + options);
  if (mount(source.c_str(), mountpoint.c_str(), type.c_str(), flags, data.c_str()) != 0) throwErrno("mount", mountpoint);
  return descriptor.release();
}

int mountWithHelper(const std::string& program, const std::string& mountpoint, const std::string& options) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) throwErrno("socketpair");
  Descriptor ours(pair[0]);
  Descriptor theirs(pair[1]);
  // dup2 of a descriptor onto itself would leave it close-on-exec.
  if (theirs.get() == 3) theirs.reset(fcntl(3, F_DUPFD_CLOEXEC, 4));
  Helper helper(program, {"-o", options, "--", mountpoint}, theirs.get());
  theirs.reset();
  Descriptor descriptor(receiveDescriptor(ours.get()));
  helper.finish();
  if (descriptor.get() < 0) throw std::runtime_error("fusermount3 sent no descriptor");
  const int flags = fcntl(descriptor.get(), F_GETFL);
  if (flags < 0 || fcntl(descriptor.get(), F_SETFL, flags | O_NONBLOCK) != 0) throwErrno("fcntl");
  return descriptor.release();
}

void unmountWithHelper(const std::string& program, const std::string& mountpoint, bool lazy) {
  std::vector<std::string> arguments{"-u"};
  if (lazy) arguments.push_back("-z");
  arguments.insert(arguments.end(), {"--", mountpoint});
  Helper(program, std::move(arguments), -1).finish();
}

void unmountAsRoot(const std::string& mountpoint, bool lazy, bool force) {
  // Never follows a link at the end: the mount table's path is meant.
  const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0) | (force ? MNT_FORCE : 0);
  if (umount2(mountpoint.c_str(), flags) != 0) throwErrno("umount2", mountpoint);
}

int probeMount(const std::string& mountpoint) {
  struct statfs figures;
  return statfs(mountpoint.c_str(), &figures) == 0 ? 0 : errno;
}

}  // namespace cairn
