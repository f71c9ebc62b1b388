"""Rows out of columns: every row of a block gets the same list of fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inboxbench.seed.binary import AnyArray, Flags, IntLike, Ints, Octets
from inboxbench.seed.binary.copy_format import Pool, digits, scatter, texts

_WIDE = {"i8": 8, "i4": 4, "i2": 2, "u1": 1}
_NULL = b"\xff\xff\xff\xff"

Part = tuple[Octets, Ints]


@dataclass(frozen=True, slots=True)
class Number:
    """An integer, timestamp or boolean column of `code` i8, i4, i2 or u1; NULL where `present` is false."""

    values: AnyArray
    code: str = "i8"
    present: Flags | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """A column of raw bytes, as many in every row, that is never NULL: a uuid."""

    octets: Octets


@dataclass(frozen=True, slots=True)
class Together:
    """Numbers that are all present in a row or all NULL: one piece instead of one each."""

    numbers: Sequence[Number]
    present: Flags


@dataclass(frozen=True, slots=True)
class Framed:
    """Text, jsonb or uuid out of a pool made by `framed`; NULL where `present` is false."""

    pool: Pool
    index: IntLike
    present: Flags | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """One text made of several parts put side by side; each part a (records, lengths) pair of all rows."""

    parts: Sequence[Part]
    present: Flags | None = None


Field = Number | Together | Framed | Joined


def framed(pool: Pool) -> Pool:
    """The same strings with their length words before them, and NULL as one more entry at the end."""
    words = big_endian(pool.lengths, "i4")
    records = np.concatenate((words, pool.records), axis=1)
    null = np.zeros((1, records.shape[1]), dtype=np.uint8)
    null[0, :4] = np.frombuffer(_NULL, dtype=np.uint8)
    return Pool(np.concatenate((records, null)), np.concatenate((pool.lengths + 4, [4])))


def big_endian(values: AnyArray, code: str) -> Octets:
    width = _WIDE[code]
    return np.ascontiguousarray(values.astype(f">{code}")).view(np.uint8).reshape(-1, width)


def _constant(length: int, count: int) -> Ints:
    return np.full(count, length, dtype=np.int64)


def _number(field: Number) -> Part:
    """Length word and value in one piece; a NULL is the length word -1, and the piece ends there."""
    count, width = len(field.values), _WIDE[field.code]
    records = np.empty((count, 4 + width), dtype=np.uint8)
    if field.present is None:
        records[:, :4] = np.frombuffer(width.to_bytes(4, "big"), dtype=np.uint8)
        lengths = _constant(4 + width, count)
    else:
        records[:, :4] = big_endian(np.where(field.present, width, -1), "i4")
        lengths = np.where(field.present, 4 + width, 4)
    records[:, 4:] = big_endian(field.values, field.code)
    return records, lengths


def _together(field: Together) -> Part:
    """Where absent, the length words -1 of all of them."""
    records = np.concatenate([_number(number)[0] for number in field.numbers], axis=1)
    records[~field.present, : 4 * len(field.numbers)] = 0xFF
    return records, np.where(field.present, records.shape[1], 4 * len(field.numbers))


def _pieces(field: Field) -> list[Part]:
    if isinstance(field, Together):
        return [_together(field)]
    if isinstance(field, Number):
        return [_number(field)]
    if isinstance(field, Framed):
        null = len(field.pool) - 1
        return [field.pool.take(field.index if field.present is None else np.where(field.present, field.index, null))]
    parts = list(field.parts)
    total = np.sum([lengths for _, lengths in parts], axis=0)
    if field.present is not None:
        parts = [(records, np.where(field.present, lengths, 0)) for records, lengths in parts]
        total = np.where(field.present, total, -1)
    return [(big_endian(total, "i4"), _constant(4, len(total))), *parts]


def _fixed(field: Number | Fixed) -> Octets:
    if isinstance(field, Number):
        return _number(field)[0]
    count, width = field.octets.shape
    return np.concatenate((big_endian(_constant(width, count), "i4"), field.octets), axis=1)


def fixed_part(fields: Sequence[Number | Fixed], columns: int) -> Part:
    """The count of columns and the columns that are never NULL and of fixed width: one piece."""
    word = np.frombuffer(columns.to_bytes(2, "big"), dtype=np.uint8)
    parts = [_fixed(field) for field in fields]
    records = np.concatenate([np.tile(word, (len(parts[0]), 1)), *parts], axis=1)
    return records, _constant(records.shape[1], len(records))


def _columns(field: Field) -> int:
    return len(field.numbers) if isinstance(field, Together) else 1


def encode(head: Sequence[Number | Fixed], narrow: Sequence[Field] = (), wide: Sequence[Field] = ()) -> Octets:
    """The COPY rows of a block, without the file's header and trailer.

    Columns stand in this order: `head`, of one width and never NULL; `narrow`, fields whose pieces are short;
    `wide`, the others.
    """
    first = fixed_part(head, len(head) + sum(map(_columns, [*narrow, *wide])))
    pieces = [first, *(piece for field in narrow for piece in _pieces(field))]
    if wide:
        pieces = [gather(pieces), *(piece for field in wide for piece in _pieces(field))]
    return lay_out(pieces)[0]


def gather(pieces: list[Part]) -> Part:
    """Narrow pieces put together, one padded record a row: wide pieces then do not set the width for all."""
    total = np.sum([lengths for _, lengths in pieces], axis=0)
    stride = int(total.max(initial=1))
    out = _spread(pieces, np.arange(len(total)) * stride, len(total) * stride)
    return out.reshape(-1, stride), total


def lay_out(pieces: list[Part]) -> tuple[Octets, Ints]:
    """Rows whose pieces stand side by side, and where each row ends."""
    total = np.sum([lengths for _, lengths in pieces], axis=0)
    ends = np.cumsum(total)
    return _spread(pieces, ends - total, int(ends[-1]) if len(ends) else 0), ends


def _spread(pieces: list[Part], starts: Ints, size: int) -> Octets:
    """Pieces of row i side by side from starts[i] on."""
    width = max(records.shape[1] for records, _ in pieces)
    table = np.empty((len(starts), len(pieces), width), dtype=np.uint8)
    places = np.empty((len(starts), len(pieces)), dtype=np.int64)
    at = starts
    for column, (records, lengths) in enumerate(pieces):
        table[:, column, : records.shape[1]] = records
        places[:, column] = at
        at = at + lengths
    out = np.zeros(size + width, dtype=np.uint8)
    scatter(out, places.ravel(), table.reshape(-1, width))
    return out[:size]


def literal(text: str, count: int) -> Part:
    """The same few characters for every row, as a part of a Joined."""
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    return np.tile(data, (count, 1)), _constant(len(data), count)


def ids(first: int, last: int) -> Ints:
    """The ids of the rows first .. last - 1: one more than their positions."""
    return np.arange(first + 1, last + 1)


def listed(values: Sequence[str]) -> Framed:
    """One given text a row."""
    return Framed(framed(texts(values)), np.arange(len(values)))


def digit_part(values: Ints, width: int) -> Part:
    """Decimal digits of `values`, padded with zeros, as a part of a Joined."""
    return digits(values, width), _constant(width, len(values))
