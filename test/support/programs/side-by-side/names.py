"""Operations on names: each function draws its arguments and returns what is then done below either root."""

import errno
import os
import socket
import stat
from hashlib import sha256

import system

KINDS = {}
OLD = 10**18  # a time long ago, in nanoseconds
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def kind(draw_operation):
    KINDS[draw_operation.__name__] = draw_operation
    return draw_operation


def is_device(path):
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def open_file(path, flags, mode=0o644):
    """Without waiting for the other end of a pipe, and no devices: a mount may refuse them (nodev)."""
    if is_device(path):
        raise OSError(errno.ENODEV, "a device")
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)


def with_file(path, flags, action, mode=0o644):
    descriptor = open_file(path, flags, mode)
    try:
        return action(descriptor)
    finally:
        os.close(descriptor)


def facts(found):
    """Of what stat(2) tells, all that two file systems must agree on. A folder's size is the file system's own."""
    size = 0 if stat.S_ISDIR(found.st_mode) else found.st_size
    return found.st_mode, found.st_nlink, found.st_uid, found.st_gid, found.st_rdev, size


def read_all(descriptor):
    found = sha256()
    while piece := os.read(descriptor, 1 << 20):
        found.update(piece)
    return found.hexdigest()


def on(draw, action):
    path = draw.path()
    return lambda root: action(root + b"/" + path)


def on_two(draw, action):
    first, second = draw.path(), draw.path()
    return lambda root: action(root + b"/" + first, root + b"/" + second)


def write_all(descriptor, content):
    put = os.write(descriptor, content)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        # A listed exception: on the mount bytes that go through a pipe do not move its times.
        os.utime(descriptor)
    return put


def writer(draw, flags):
    content, mode = draw.content(), draw.pick([0o644, 0o600, 0o666, 0o4755])
    return on(draw, lambda path: with_file(path, flags, lambda f: write_all(f, content), mode))


@kind
def create(draw):
    return writer(draw, WRITE)


@kind
def append(draw):
    return writer(draw, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


@kind
def create_exclusive(draw):
    return writer(draw, WRITE | os.O_EXCL)


@kind
def overwrite(draw):
    offset, content = draw.bytes(), draw.content()
    return on(draw, lambda path: with_file(path, os.O_WRONLY, lambda f: os.pwrite(f, content, offset)))


@kind
def open_truncating(draw):
    flags = draw.pick([os.O_WRONLY, os.O_RDWR]) | os.O_TRUNC | draw.pick([0, os.O_NOFOLLOW])
    return on(draw, lambda path: with_file(path, flags, lambda f: facts(os.fstat(f))))


@kind
def open_odd(draw):
    flags = draw.pick([os.O_DIRECTORY, os.O_NOFOLLOW, os.O_CREAT | os.O_EXCL | os.O_RDWR, os.O_DIRECTORY | os.O_RDWR])
    return on(draw, lambda path: with_file(path, flags, lambda f: facts(os.fstat(f))))


@kind
def read(draw):
    return on(draw, lambda path: with_file(path, os.O_RDONLY, read_all))


@kind
def read_moves_atime(draw):
    def move(path):
        os.utime(path, ns=(OLD, OLD))
        digest = with_file(path, os.O_RDONLY, read_all)
        found = os.stat(path)
        # Where there is nothing to read, file systems have it either way.
        return digest, found.st_size > 0 and found.st_atime_ns != OLD

    return on(draw, move)


@kind
def read_piece(draw):
    offset, length = draw.bytes(), draw.bytes()
    return on(draw, lambda path: with_file(path, os.O_RDONLY, lambda f: os.pread(f, length, offset)))


@kind
def truncate(draw):
    size = draw.bytes()
    return on(draw, lambda path: os.truncate(path, size))


@kind
def lstat(draw):
    return on(draw, lambda path: facts(os.lstat(path)))


@kind
def follow(draw):
    return on(draw, lambda path: facts(os.stat(path)))


@kind
def access(draw):
    mode = draw.below(8)
    return on(draw, lambda path: os.access(path, mode, effective_ids=True))


@kind
def list_folder(draw):
    return on(draw, lambda path: sorted(os.listdir(path)))


@kind
def list_types(draw):
    return on(draw, lambda path: sorted((e.name, e.is_dir(follow_symlinks=False), e.is_symlink()) for e in os.scandir(path)))


@kind
def make_folder(draw):
    mode = draw.pick([0o755, 0o777, 0o700, 0o2775, 0o1777])
    return on(draw, lambda path: os.mkdir(path, mode))


@kind
def remove_folder(draw):
    return on(draw, os.rmdir)


@kind
def fill_folder(draw):
    count = draw.below(40)

    def fill(path):
        for i in range(count):
            with_file(path + b"/many-%d" % i, os.O_WRONLY | os.O_CREAT, lambda f: None)

    return on(draw, fill)


@kind
def empty_folder(draw):
    """Removes entries while they are listed, those that may be: which comes first is the file system's business."""

    def empty(path):
        refused = []
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    try:
                        os.unlink(entry.path)
                    except PermissionError as error:
                        refused.append((entry.name, error.errno))
        return sorted(refused), sorted(os.listdir(path))

    return on(draw, empty)


@kind
def unlink(draw):
    return on(draw, os.unlink)


@kind
def rename(draw):
    return on_two(draw, os.rename)


@kind
def rename_again(draw):
    return on_two(draw, os.rename)


@kind
def rename_to_free(draw):
    return on_two(draw, lambda source, target: system.rename(source, target, system.RENAME_NOREPLACE))


@kind
def exchange(draw):
    return on_two(draw, lambda source, target: system.rename(source, target, system.RENAME_EXCHANGE))


@kind
def rename_leaving_whiteout(draw):
    flags = system.RENAME_WHITEOUT | draw.pick([0, system.RENAME_NOREPLACE, system.RENAME_EXCHANGE])
    return on_two(draw, lambda source, target: system.rename(source, target, flags))


@kind
def link(draw):
    return on_two(draw, lambda source, target: system.link(source, target, 0))


@kind
def link_target(draw):
    return on_two(draw, lambda source, target: system.link(source, target, system.AT_SYMLINK_FOLLOW))


@kind
def link_nameless(draw):
    """A file that gets its name when it is written."""
    folder, content = draw.path(), draw.content()

    def make(root):
        def write(descriptor):
            os.write(descriptor, content)
            system.link_handle(descriptor, root + b"/" + target)

        return with_file(root + b"/" + folder, os.O_TMPFILE | os.O_RDWR, write)

    target = draw.path()
    return make


@kind
def symlink(draw):
    target = draw.path()
    return on(draw, lambda path: os.symlink(target, path))


@kind
def read_link(draw):
    return on(draw, os.readlink)


@kind
def make_node(draw):
    kinds = [stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK]
    mode, device = draw.pick(kinds) | draw.pick([0o644, 0o600]), os.makedev(draw.below(300), draw.below(70_000))
    return on(draw, lambda path: os.mknod(path, mode, device))


@kind
def bind_socket(draw):
    name = draw.name()[:80]

    def bind(folder):
        here = os.open(b".", os.O_PATH)
        os.chdir(folder)
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(name)
        finally:
            os.fchdir(here)
            os.close(here)

    return on(draw, bind)


@kind
def copy(draw):
    def copy_file(source, target):
        def into(f):
            return with_file(target, WRITE, lambda g: os.copy_file_range(f, g, os.fstat(f).st_size + 1))

        return with_file(source, os.O_RDONLY, into)

    return on_two(draw, copy_file)


@kind
def copy_piece(draw):
    at, length, into = draw.bytes(), 1 + draw.bytes(), draw.bytes()

    def copy_range(source, target):
        def to(f):
            return with_file(target, os.O_RDWR, lambda g: os.copy_file_range(f, g, length, at, into))

        return with_file(source, os.O_RDONLY, to)

    return on_two(draw, copy_range)


def allocation(draw, mode):
    offset, length = draw.bytes(), 1 + draw.bytes()
    return on(draw, lambda path: with_file(path, os.O_RDWR, lambda f: system.allocate(f, mode, offset, length)))


@kind
def grow(draw):
    return allocation(draw, 0)


@kind
def reserve(draw):
    return allocation(draw, system.KEEP_SIZE)


@kind
def punch(draw):
    return allocation(draw, system.PUNCH_HOLE | system.KEEP_SIZE)


@kind
def zero(draw):
    return allocation(draw, system.ZERO_RANGE | draw.pick([0, system.KEEP_SIZE]))
