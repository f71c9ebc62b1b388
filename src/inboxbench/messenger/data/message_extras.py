"""What a row of messages at head ends with, behind the body: its source_id and its content_attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.data.context import Context
from inboxbench.messenger.data.features import origins
from inboxbench.messenger.data.message_keys import NOTE
from inboxbench.seed.binary import AnyArray, Ints, Octets
from inboxbench.seed.binary.copy_format import Pool, digits, pool_of, rows_of, scatter
from inboxbench.seed.binary.fields import framed
from inboxbench.seed.binary.random_streams import Stream

_NULL = b"\xff" * 4
_NO_ATTRIBUTES = (3).to_bytes(4, "big") + b"\x01{}"
_SOURCE = b"wamid."
_DIGITS = 14
# The digits scramble the message id: a bijection below this prime, so that neighbours do not look alike.
_PRIME = 99_999_999_999_973
_FACTOR = 4_827_100_003

_FILES = (
    ("image", "IMG_{}.jpg", 240_000), ("image", "screenshot-{}.png", 810_000), ("image", "photo_{}.webp", 96_000),
    ("file", "invoice-{}.pdf", 64_000), ("file", "return-form-{}.docx", 31_000), ("file", "log-{}.txt", 12_000),
    ("audio", "voice-{}.ogg", 58_000), ("video", "unboxing-{}.mp4", 6_400_000),
)  # fmt: skip
_NUMBER = "000000"


@dataclass(frozen=True, slots=True)
class Extras:
    source: Ints  # by row: number of its source_id, 0 for none
    attached: Ints  # rows with a file
    file: Ints  # which one
    number: Ints  # and the number in its name
    size: Ints  # by row, bytes of both columns


@cache
def _documents() -> tuple[Pool, Ints]:
    """content_attributes of each kind of file with their length words, and where the number in its name stands."""
    documents = [
        {"attachments": [{"file_type": kind, "name": name.format(_NUMBER), "file_size": size}]}
        for kind, name, size in _FILES
    ]
    texts = [b"\x01" + json.dumps(document, separators=(",", ":")).encode() for document in documents]
    return framed(pool_of(texts)), np.array([4 + text.index(_NUMBER.encode()) for text in texts])


def _plain() -> Octets:
    return np.frombuffer(_NULL + _NO_ATTRIBUTES, dtype=np.uint8)


def _sourced() -> Octets:
    """A source_id with zeros for its digits, and no attributes."""
    word = (len(_SOURCE) + _DIGITS).to_bytes(4, "big")
    return np.frombuffer(word + _SOURCE + b"0" * _DIGITS + _NO_ATTRIBUTES, dtype=np.uint8)


def draw_extras(context: Context, kind: Ints, of: AnyArray, first_id: int, number: int) -> Extras:
    """For the messages of window `number`; draws from a stream of its own."""
    features, count = context.profile.features, len(kind)
    ids, inbox = np.arange(first_id, first_id + count), of["inbox"].astype(np.int64)
    stream = Stream(context.seed, "features.messages", number)
    source = origins(features, inbox, kind != NOTE, ids, stream)
    attached = np.flatnonzero(stream.chance(features.attachments, count))
    file = stream.below(len(_FILES), len(attached))
    size = np.where(source > 0, len(_sourced()), len(_plain()))
    size[attached] += _documents()[0].lengths[file] - len(_NO_ATTRIBUTES)
    return Extras(source, attached, file, stream.below(10 ** len(_NUMBER), len(attached)), size)


def put_extras(out: Octets, ends: Ints, extras: Extras) -> None:
    """Write both columns of rows that end at `ends`. Documents spill behind their row, by less than the head and the
    tail of the next one take: write those later."""
    at = ends - extras.size
    scatter(out, at, np.tile(_plain(), (len(at), 1)))
    rows = np.flatnonzero(extras.source)
    records = np.tile(_sourced(), (len(rows), 1))
    start = 4 + len(_SOURCE)
    records[:, start : start + _DIGITS] = digits(extras.source[rows] * _FACTOR % _PRIME, _DIGITS)
    scatter(out, at[rows], records)
    pool, digits_at = _documents()
    files = rows_of(pool.records, extras.file)
    places = ends[extras.attached] - pool.lengths[extras.file]
    scatter(out, places, files)
    scatter(out, places + digits_at[extras.file], digits(extras.number, len(_NUMBER)))
