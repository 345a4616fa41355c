#pragma once

#include <napi.h>

#include <string>

void initFuseMount(Napi::Env env, Napi::Object exports);

namespace cairn {

/** mount(2) with a fresh /dev/fuse: needs root. Returns the descriptor. Throws SystemError. Blocks. */
int mountAsRoot(const std::string& mountpoint, const std::string& type, const std::string& source, unsigned long flags,
                const std::string& options);

/**
 * Lets `program` (fusermount3) mount and send the descriptor over a socket. Returns the descriptor. Throws SystemError
 * where it cannot be run, std::runtime_error with its own words where it refuses. Blocks.
 */
int mountWithHelper(const std::string& program, const std::string& mountpoint, const std::string& options);

/** umount2(2) with MNT_DETACH where lazy, MNT_FORCE where forced. Throws SystemError. Blocks. */
void unmountAsRoot(const std::string& mountpoint, bool lazy, bool force);

/** Asks the file system's server for its figures (stat may be answered from the kernel's cache). 0 or the errno. Blocks. */
int probeMount(const std::string& mountpoint);

/** Runs `program -u [-z] -- mountpoint`; as above. */
void unmountWithHelper(const std::string& program, const std::string& mountpoint, bool lazy);

}  // namespace cairn
