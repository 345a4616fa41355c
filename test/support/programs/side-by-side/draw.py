"""What operations are done with: paths, bytes and places that depend on the seed alone."""

import random

# Few, so that operations meet; names may be any bytes, up to 255 of them.
NAMES = [b"a", b"b", b"c", b"d", b"\xff\xfe\x80", b"n" * 255, b" new\nline"]
BORDERS = [4096, 131_072, 1_048_576, 3_000_000]


class Draw:
    def __init__(self, seed):
        self._random = random.Random(seed)
        self.paths = []  # drawn since it was last emptied

    def below(self, limit):
        return self._random.randrange(limit)

    def pick(self, choices):
        return choices[self.below(len(choices))]

    def name(self):
        return self.pick(NAMES)

    def path(self):
        path = b"/".join(self.name() for _ in range(1 + self.below(3)))
        self.paths.append(path)
        return path

    def bytes(self):
        """A position or length: mostly small, now and then on either side of where storage changes."""
        if self.below(10) < 8:
            return self.below(20_000)
        return self.pick(BORDERS) + self.below(3) - 1

    def content(self):
        length = self.bytes()
        pattern = b"%d;" % self.below(1000)
        return (pattern * (length // len(pattern) + 1))[:length]
