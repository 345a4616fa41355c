"""
Does the same random operations below two folders, a model and a mounted one, and fails where they behave differently.

  main.py work SEED OPERATIONS ME MODEL MOUNTED    operations in the subtree of process ME and in what all share
  main.py prepare PROCESSES MODEL MOUNTED          makes these subtrees
  main.py settle MODEL MOUNTED                     takes away what may differ (times, order of appended records)

Paths of a model and a mounted folder are the same below these. All depends on the arguments alone.
"""

import errno
import os
import sys

import attributes  # noqa: F401 (adds its kinds to names.KINDS)
import handles
import names
import shared
import system
from draw import Draw

MOST_OPEN = 6
SHARED = b"/shared"
USER = 65534


def own(me):
    return b"/own-%d" % me


def outcome(action):
    try:
        return action()
    except OSError as error:
        # rename(2) allows either.
        return "ENOTEMPTY" if error.errno == errno.EEXIST else errno.errorcode[error.errno]


class Aged:
    """Gives paths old times, to tell afterwards which an operation has moved."""

    def __init__(self, roots, paths):
        parents = [path.rpartition(b"/")[0] for path in paths]
        self._paths = [[root + b"/" + path for path in dict.fromkeys([*paths, *parents])] for root in roots]
        for path in sum(self._paths, []):
            outcome(lambda: os.utime(path, ns=(names.OLD, names.OLD), follow_symlinks=False))

    def moved(self, side):
        return [outcome(lambda: os.lstat(path).st_mtime_ns != names.OLD) for path in self._paths[side]]


class SideBySide:
    def __init__(self, seed, me, roots):
        self._draw = Draw(seed)
        self._me = me
        self._bases = roots
        self._roots = [root + own(me) for root in roots]
        self._open = []
        self._history = []

    def step(self):
        self._draw.paths.clear()
        choice = self._draw.below(100)
        if choice < 60:
            self._on_names()
        elif choice < 68:
            self._open_one()
        elif choice < 80:
            self._on_handle()
        elif choice < 83:
            self._close_one()
        else:
            self._on_shared()

    def close_all(self):
        while self._open:
            self._close_one()

    def _on_names(self):
        name = self._draw.pick(list(names.KINDS))
        operation = names.KINDS[name](self._draw)
        user = system.IS_ROOT and self._draw.below(6) == 0
        aged = Aged(self._roots, self._draw.paths) if self._draw.below(5) == 0 else None

        def act(side):
            done = lambda: operation(self._roots[side])
            found = outcome(lambda: system.as_user(USER, done) if user else done())
            return found, aged and aged.moved(side)

        self._compare(name + (" as user" if user else "") + (" aged" if aged else ""), act)

    def _open_one(self):
        path = self._draw.path()
        flags = self._draw.pick([os.O_RDWR, os.O_RDWR, os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_CREAT | os.O_TRUNC,
                                 os.O_RDWR | os.O_APPEND, os.O_WRONLY, os.O_RDONLY, os.O_RDONLY | os.O_DIRECTORY,
                                 os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDWR | os.O_TMPFILE])
        if len(self._open) == MOST_OPEN:
            self._close_one()
        pair = {}

        def act(side):
            def opened():
                pair[side] = names.open_file(self._roots[side] + b"/" + path, flags)

            return outcome(opened)

        self._compare(f"open {flags:o}", act)
        if len(pair) == 2:
            self._open.append(pair)

    def _on_handle(self):
        name = self._draw.pick(list(handles.KINDS))
        operation = handles.KINDS[name](self._draw)
        if self._open:
            pair = self._draw.pick(self._open)
            self._compare(f"{name} on handle {pair[1]}", lambda side: outcome(lambda: operation(pair[side])))

    def _close_one(self):
        if self._open:
            pair = self._open.pop(self._draw.below(len(self._open)))
            self._compare(f"close handle {pair[1]}", lambda side: outcome(lambda: os.close(pair[side])))

    def _on_shared(self):
        name = self._draw.pick(list(shared.KINDS))
        operation = shared.KINDS[name](self._draw, self._me)
        self._compare(name, lambda side: operation(self._bases[side] + SHARED) and None)

    def _compare(self, what, act):
        paths = " ".join(repr(path)[1:].replace("n" * 255, "n*255") for path in self._draw.paths)
        self._history = [*self._history[-30:], f"{what} {paths}"]
        try:
            wanted, found = act(0), act(1)
        except Exception:
            sys.exit("\n".join([*self._history, f"{sys.exc_info()[1]!r}"]))
        if found != wanted:
            sys.exit("\n".join([*self._history, f"wanted {wanted!r:.2000}", f"found {found!r:.2000}"]))


def work(seed, operations, me, *roots):
    os.umask(0o022)
    both = SideBySide(int(seed) * 100 + int(me), int(me), [os.fsencode(root) for root in roots])
    for _ in range(int(operations)):
        both.step()
    both.close_all()


def prepare(processes, *roots):
    for root in map(os.fsencode, roots):
        for folder in [SHARED, *map(own, range(int(processes)))]:
            os.mkdir(root + folder)
            os.chmod(root + folder, 0o777)
        shared.prepare(root + SHARED)


def settle(*roots):
    model, mounted = map(os.fsencode, roots)
    for root in (model, mounted):
        shared.normalise(root + SHARED)
    count = 0
    for parent, folders, files in os.walk(model, topdown=False):
        for name in sorted(files) + sorted(folders):
            count += 1
            path = os.path.join(parent, name)
            for one in (path, mounted + path[len(model) :]):
                os.utime(one, ns=(names.OLD + count, names.OLD + count * 1001), follow_symlinks=False)
    for root in (model, mounted):
        os.utime(root, ns=(names.OLD, names.OLD))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"work": work, "prepare": prepare, "settle": settle}[command](*arguments)
