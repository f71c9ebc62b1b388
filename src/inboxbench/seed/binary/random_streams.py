"""Random integers keyed by (seed, table, block): who draws them, and in what order, changes nothing.

NumPy promises that a bit generator's raw output stays the same between versions (NEP 19) and promises nothing
about its distributions, so only raw 64-bit integers are taken and everything else is arithmetic of our own.
"""

from __future__ import annotations

import zlib

import numpy as np

from inboxbench.seed.binary import AnyArray, Ints, Raw


class Stream:
    """The integers of one block of one table. Draws are consumed in call order."""

    def __init__(self, seed: int, table: str, block: int = 0) -> None:
        key = np.random.SeedSequence([seed, zlib.crc32(table.encode()), block])
        self._bits = np.random.PCG64(key)

    def words(self, count: int) -> Raw:
        """`count` integers over the whole range of 64 bits."""
        return np.asarray(self._bits.random_raw(count), dtype="<u8")

    def bits16(self, count: int) -> Ints:
        """`count` integers in [0, 2**16), four to a raw word."""
        return self.words((count + 3) // 4).view("<u2")[:count].astype(np.int64)

    def bits32(self, count: int) -> Ints:
        """`count` integers in [0, 2**32), two to a raw word."""
        return self.words((count + 1) // 2).view("<u4")[:count].astype(np.int64)

    def below(self, bound: int | AnyArray, count: int) -> Ints:
        """`count` integers in [0, bound); `bound` (at most 2**31) may differ from draw to draw."""
        return (self.bits32(count) * np.asarray(bound, dtype=np.int64)) >> 32

    def chance(self, share: float | AnyArray, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """True with probability `share`, to a resolution of 2**-16; a share of 1 is always true."""
        limit = np.rint(np.asarray(share, dtype=np.float64) * 65536).astype(np.int64)
        return self.bits16(count) < limit
