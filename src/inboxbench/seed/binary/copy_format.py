"""PostgreSQL's binary COPY format, built by numpy a block of rows at a time.

Rows have different lengths, so their pieces are written by *overlapping scatter*: every piece is a record of
one fixed width, written in ascending order of its place. What a short piece writes beyond its end is
overwritten by the pieces after it. One piece costs one small memcpy instead of one index per byte.

Checksums are of these bytes, cheap enough to take of every byte that is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from inboxbench.seed.binary import IntLike, Ints, Octets

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# Milliseconds from 1970 to 2000, where PostgreSQL's timestamps begin.
_PG_EPOCH = 946_684_800_000
_CHUNK = 1 << 16
_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
# Odd, so that no word can change without changing the sum of products.
_WEIGHTS = np.asarray(np.random.PCG64(20240229).random_raw(_CHUNK), dtype="<u8") | np.uint64(1)


@dataclass(frozen=True, slots=True)
class Pool:
    """Byte strings padded to one width: records uint8[count, width], lengths [count] of any integer type."""

    records: Octets
    lengths: IntLike

    @property
    def width(self) -> int:
        return int(self.records.shape[1])

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, index: IntLike) -> tuple[Octets, Ints]:
        return rows_of(self.records, index), self.lengths[index].astype(np.int64)


def rows_of(records: Octets, index: IntLike) -> Octets:
    """records[index], as one memcpy a row."""
    width = records.shape[1]
    taken = records.view(f"V{width}").ravel().take(index)
    return taken.view(np.uint8).reshape(-1, width)


def pool_of(items: Sequence[bytes], width: int | None = None) -> Pool:
    """A pool of given strings. Raises ValueError when one is longer than `width`."""
    lengths = np.array([len(item) for item in items], dtype=np.int64)
    wide = int(lengths.max(initial=1)) if width is None else width
    if lengths.max(initial=0) > wide:
        raise ValueError(f"a string of {lengths.max()} bytes does not fit a pool of width {wide}")
    padded = b"".join(item.ljust(wide, b"\0") for item in items)
    return Pool(np.frombuffer(padded, dtype=np.uint8).reshape(-1, wide), lengths)


def texts(items: Sequence[str]) -> Pool:
    return pool_of([item.encode() for item in items])


def scatter(out: Octets, places: Ints, records: Octets) -> None:
    """Write record i at out[places[i]:]; later records win where they overlap.

    `out` must reach one record's width beyond the last place. numpy assigns one-dimensional fancy indices in
    order; tests compare the outcome with a plain join.
    """
    width = records.shape[1]
    shape = (len(out) - width + 1,)
    window = np.ndarray(shape, dtype=f"V{width}", buffer=out.data, strides=(1,))
    window[places] = np.ascontiguousarray(records).view(f"V{width}").ravel()


def interleaved(parts: Sequence[tuple[Octets, Ints]], source: Ints) -> Octets:
    """The rows of several parts in one order: row i is the next one of parts[source[i]].

    A part is rows side by side and where each of them ends. Copies whole runs of rows.
    """
    begins = np.flatnonzero(np.concatenate(([1], np.diff(source))))
    counts, which = np.diff(np.append(begins, len(source))), source[begins]
    start, stop = np.empty_like(begins), np.empty_like(begins)
    for number, (_, ends) in enumerate(parts):
        chosen = which == number
        rows, places = np.cumsum(counts[chosen]), np.concatenate(([0], ends))
        start[chosen], stop[chosen] = places[rows - counts[chosen]], places[rows]
    views = [octets.data for octets, _ in parts]
    runs = [
        views[part][first:last] for part, first, last in zip(which.tolist(), start.tolist(), stop.tolist(), strict=True)
    ]
    return np.frombuffer(b"".join(runs), dtype=np.uint8)


def timestamps(epoch_ms: int, ms: Ints) -> Ints:
    """Microseconds since 2000 of moments counted from `epoch_ms` (Unix milliseconds)."""
    return (ms + (epoch_ms - _PG_EPOCH)) * 1000


_QUADS = np.array([f"{value:04d}".encode() for value in range(10_000)]).view(np.uint8).reshape(-1, 4)


def digits(values: Ints, width: int) -> Octets:
    """Decimal digits of `values`, zero-padded to `width`, four by table look-up: uint8[len(values), width]."""
    quads = -(-width // 4)
    out = np.empty((len(values), quads * 4), dtype=np.uint8)
    left = values
    for quad in range(quads - 1, -1, -1):
        rest = left // 10_000
        out[:, quad * 4 : quad * 4 + 4] = rows_of(_QUADS, left - rest * 10_000)
        left = rest
    return out[:, quads * 4 - width :]


def block_checksum(data: Octets) -> int:
    """64 bits of a block: sums of products of its words with fixed odd weights, chained from chunk to chunk.

    A guard against accidents and divergence, not against forgery: it runs at memory speed.
    """
    whole = len(data) // 8 * 8
    words, rest = data[:whole].view("<u8"), data[whole:].tobytes()
    total = len(data) * _STEP + int.from_bytes(rest, "little")
    for start in range(0, len(words), _CHUNK):
        piece = words[start : start + _CHUNK]
        total = (total * _STEP + int(np.dot(piece, _WEIGHTS[: len(piece)]))) & _MASK
    return total & _MASK


def table_checksum(blocks: Iterable[int]) -> str:
    """The checksum of a table from those of its blocks in their order: who made them, and when, does not matter."""
    digest = hashlib.sha256()
    for value in blocks:
        digest.update(value.to_bytes(8, "little"))
    return digest.hexdigest()[:16]
