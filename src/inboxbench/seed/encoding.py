"""PostgreSQL's binary COPY format, built by numpy a block of rows at a time.

Rows have different lengths, so their pieces are written by *overlapping scatter*: every piece is a record of
one fixed width, written in ascending order of its place. What a short piece writes beyond its end is
overwritten by the pieces after it. One piece costs one small memcpy instead of one index per byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inboxbench.seed.arrays import AnyArray, Flags, Ints, Octets

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
# Milliseconds from 1970 to 2000, where PostgreSQL's timestamps begin.
_PG_EPOCH = 946_684_800_000


@dataclass(frozen=True, slots=True)
class Pool:
    """Byte strings padded to one width: records uint8[count, width], lengths int64[count]."""

    records: Octets
    lengths: Ints

    @property
    def width(self) -> int:
        return int(self.records.shape[1])

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, index: AnyArray) -> tuple[Octets, Ints]:
        return rows_of(self.records, index), self.lengths[index]


def rows_of(records: Octets, index: AnyArray) -> Octets:
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


def scatter(out: Octets, places: AnyArray, records: Octets) -> None:
    """Write record i at out[places[i]:]; later records win where they overlap.

    `out` must reach one record's width beyond the last place. numpy assigns one-dimensional fancy indices in
    order; tests compare the outcome with a plain join.
    """
    width = records.shape[1]
    shape = (len(out) - width + 1,)
    window = np.ndarray(shape, dtype=f"V{width}", buffer=out.data, strides=(1,))
    window[places] = np.ascontiguousarray(records).view(f"V{width}").ravel()


def timestamps(epoch_ms: int, ms: Ints) -> Ints:
    """Microseconds since 2000 of moments counted from `epoch_ms` (Unix milliseconds)."""
    return (ms + (epoch_ms - _PG_EPOCH)) * 1000


# --- fields: every row gets the same list of them -------------------------------------------------------------

_WIDE = {"i8": 8, "i4": 4, "i2": 2, "u1": 1}


@dataclass(frozen=True, slots=True)
class Number:
    """An integer, timestamp or boolean column of `code` i8, i4, i2 or u1; NULL where `present` is false."""

    values: AnyArray
    code: str = "i8"
    present: Flags | None = None


@dataclass(frozen=True, slots=True)
class Pooled:
    """Text, jsonb or uuid out of a pool; NULL where `present` is false."""

    pool: Pool
    index: AnyArray
    present: Flags | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """One text made of several parts put side by side; each part a (records, lengths) pair of all rows."""

    parts: Sequence[tuple[Octets, Ints]]
    present: Flags | None = None


Field = Number | Pooled | Joined
Part = tuple[Octets, Ints]


def _big_endian(values: AnyArray, code: str) -> Octets:
    width = _WIDE[code]
    return np.ascontiguousarray(values.astype(f">{code}")).view(np.uint8).reshape(-1, width)


def _length_word(lengths: Ints, present: Flags | None) -> Part:
    shown = lengths if present is None else np.where(present, lengths, -1)
    return _big_endian(shown, "i4"), np.full(len(lengths), 4, dtype=np.int64)


def _parts(field: Field) -> list[Part]:
    """The field's content as pieces, its length word not included."""
    if isinstance(field, Number):
        octets = _big_endian(field.values, field.code)
        return [(octets, np.full(len(octets), octets.shape[1], dtype=np.int64))]
    if isinstance(field, Pooled):
        return [field.pool.take(field.index)]
    return list(field.parts)


def _pieces(field: Field) -> list[Part]:
    parts = _parts(field)
    if field.present is not None:
        parts = [(records, np.where(field.present, lengths, 0)) for records, lengths in parts]
    total = np.sum([lengths for _, lengths in parts], axis=0)
    return [_length_word(total, field.present), *parts]


def _merge_fixed(pieces: list[Part], constant: list[bool]) -> list[Part]:
    """Neighbouring pieces whose length never varies become one."""
    merged: list[Part] = []
    open_run = False
    for piece, fixed in zip(pieces, constant, strict=True):
        if fixed and open_run:
            records = np.concatenate((merged[-1][0], piece[0]), axis=1)
            merged[-1] = (records, merged[-1][1] + piece[1])
        else:
            merged.append(piece)
        open_run = fixed
    return merged


def encode(fields: Sequence[Field]) -> Octets:
    """The COPY rows of a block, without the file's header and trailer."""
    count = len(_parts(fields[0])[0][1])
    word = np.tile(np.frombuffer(len(fields).to_bytes(2, "big"), dtype=np.uint8), (count, 1))
    pieces: list[Part] = [(word, np.full(count, 2, dtype=np.int64))]
    constant = [True]
    for field in fields:
        added = _pieces(field)
        pieces += added
        constant += [True] + [isinstance(field, Number) and field.present is None] * (len(added) - 1)
    return _lay_out(_merge_fixed(pieces, constant), count)


def _lay_out(pieces: list[Part], count: int) -> Octets:
    width = max(records.shape[1] for records, _ in pieces)
    table = np.zeros((count, len(pieces), width), dtype=np.uint8)
    lengths = np.empty((count, len(pieces)), dtype=np.int64)
    for place, (records, length) in enumerate(pieces):
        table[:, place, : records.shape[1]] = records
        lengths[:, place] = length
    ends = np.cumsum(lengths.ravel())
    out = np.empty(int(ends[-1]) + width if count else width, dtype=np.uint8)
    scatter(out, ends - lengths.ravel(), table.reshape(-1, width))
    return out[: len(out) - width]


def digits(values: AnyArray, width: int) -> Octets:
    """Decimal digits of `values`, zero-padded to `width`: uint8[len(values), width]."""
    out = np.empty((len(values), width), dtype=np.uint8)
    left = values.astype(np.int64)
    for place in range(width - 1, -1, -1):
        rest = left // 10
        out[:, place] = left - rest * 10 + 48
        left = rest
    return out


def literal(text: str, count: int) -> Part:
    """The same few characters for every row, as a part of a Joined."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    return np.tile(data, (count, 1)), np.full(count, len(data), dtype=np.int64)
