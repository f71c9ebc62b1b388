"""The COPY bytes against an independent reader and a plain join."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inboxbench.seed.binary.copy_format import (
    block_checksum,
    digits,
    interleaved,
    pool_of,
    rows_of,
    scatter,
    table_checksum,
    texts,
    timestamps,
)
from inboxbench.seed.binary.fields import Field, Fixed, Framed, Joined, Number, Together, encode, framed, literal


def read_rows(data: bytes) -> list[list[bytes | None]]:
    """Every row of binary COPY data without header: a list of fields, None for NULL."""
    rows, at = [], 0
    while at < len(data):
        (columns,) = struct.unpack_from(">h", data, at)
        at += 2
        row: list[bytes | None] = []
        for _ in range(columns):
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            row.append(None if length < 0 else data[at : at + length])
            at += max(length, 0)
        rows.append(row)
    return rows


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=60))
def test_overlapping_scatter_is_a_join(pieces: list[bytes]) -> None:
    pool = pool_of(pieces, 40)
    ends = np.cumsum(pool.lengths)
    out = np.full(int(ends[-1]) + 40, 7, dtype=np.uint8)
    scatter(out, ends - pool.lengths, rows_of(pool.records, np.arange(len(pieces))))
    assert out[: int(ends[-1])].tobytes() == b"".join(pieces)


def test_scatter_of_many_records_is_a_join() -> None:
    """numpy's order of assignment, at the size the generator uses."""
    rng = np.random.default_rng(1)
    pool = pool_of([bytes([65 + i % 26]) * int(n) for i, n in enumerate(rng.integers(0, 129, 5000))], 128)
    index = rng.integers(0, 5000, 100_000)
    ends = np.cumsum(pool.lengths[index])
    out = np.empty(int(ends[-1]) + 128, dtype=np.uint8)
    scatter(out, ends - pool.lengths[index], rows_of(pool.records, index))
    joined = b"".join(pool.records[i, : pool.lengths[i]].tobytes() for i in index)
    assert out[: int(ends[-1])].tobytes() == joined


ROW = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(-(2**15), 2**15 - 1),
    st.none() | st.text(alphabet="абвxyz", max_size=12),
    st.text(alphabet="абвxyz", max_size=60),
)


@settings(max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=25), st.booleans())
def test_encode_reads_back(rows: list[tuple[int, int | None, str | None, str]], apart: bool) -> None:
    count = len(rows)
    big, small, word, long = zip(*rows, strict=True)
    short = Number(np.array([s or 0 for s in small]), "i2", np.array([s is not None for s in small]))
    words = framed(texts([w or "" for w in word]))
    present = np.array([w is not None for w in word])
    body = texts(list(long))
    joined = Joined([literal("<", count), body.take(np.arange(count)), literal(">", count)], present)
    narrow: list[Field] = [short, Framed(words, np.arange(count), present)]
    data = encode([Number(np.array(big))], narrow if apart else [*narrow, joined], [joined] if apart else [])
    assert read_rows(data.tobytes()) == [
        [
            struct.pack(">q", b),
            None if s is None else struct.pack(">h", s),
            None if w is None else w.encode(),
            None if w is None else f"<{t}>".encode(),
        ]
        for b, s, w, t in rows
    ]


def test_columns_that_are_null_together() -> None:
    both = Together([Number(np.array([1, 2]), "i2"), Number(np.array([3, 4]))], np.array([True, False]))
    data = encode(
        [Number(np.array([8, 9]), "i4"), Fixed(np.frombuffer(b"abcdef", dtype=np.uint8).reshape(2, 3))], [both]
    )
    assert read_rows(data.tobytes()) == [
        [struct.pack(">i", 8), b"abc", struct.pack(">h", 1), struct.pack(">q", 3)],
        [struct.pack(">i", 9), b"def", None, None],
    ]


@given(st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=50))
def test_digits(values: list[int]) -> None:
    assert [row.tobytes().decode() for row in digits(np.array(values), 9)] == [f"{v:09d}" for v in values]


def test_timestamps_count_from_2000() -> None:
    # 2000-01-01 00:00:00.001 UTC, given as one millisecond after its midnight.
    assert timestamps(946_684_800_000, np.array([1])).tolist() == [1000]


@given(st.binary(min_size=1, max_size=300), st.data())
def test_checksum_sees_every_changed_byte(data: bytes, draw: st.DataObject) -> None:
    place = draw.draw(st.integers(0, len(data) - 1))
    changed = bytearray(data)
    changed[place] ^= draw.draw(st.integers(1, 255))
    before, after = (block_checksum(np.frombuffer(bytes(d), dtype=np.uint8)) for d in (data, changed))
    assert before != after


def test_checksum_sees_length_and_order() -> None:
    block = np.arange(2_000_000, dtype=np.int64).view(np.uint8)
    swapped = np.concatenate((block[8_000_000:], block[:8_000_000]))
    values = {block_checksum(b) for b in (block, block[:-1], swapped, block[:0])}
    assert len(values) == 4
    assert table_checksum([1, 2]) != table_checksum([2, 1])


@given(st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=9)), min_size=1, max_size=60))
def test_interleaved_rows_come_in_the_order_asked_for(rows: list[tuple[int, bytes]]) -> None:
    parts = []
    for part in range(3):
        own = [data for number, data in rows if number == part]
        parts.append((np.frombuffer(b"".join(own), dtype=np.uint8), np.cumsum([len(data) for data in own], dtype=int)))
    source = np.array([number for number, _ in rows])
    assert interleaved(parts, source).tobytes() == b"".join(data for _, data in rows)
