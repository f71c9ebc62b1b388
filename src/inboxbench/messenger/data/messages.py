"""Rows of messages and what only head has of them, a window of time at a time: the table that decides the speed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.data.bodies import Bodies, put_bodies, write_bodies
from inboxbench.messenger.data.context import Context
from inboxbench.messenger.data.features import origins
from inboxbench.messenger.data.message_keys import (
    BOT,
    CONTACT,
    NOTE,
    SENDER,
    TEMPLATE,
    USER,
    kinds,
    moments,
    positions,
    read_moments,
)
from inboxbench.messenger.data.outline import span
from inboxbench.seed.binary import AnyArray, IntLike, Ints, Octets
from inboxbench.seed.binary.copy_format import Pool, digits, pool_of, rows_of, scatter, timestamps
from inboxbench.seed.binary.distributions import Stream
from inboxbench.seed.binary.fields import framed

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


_COLUMNS, _COLUMNS_AT_HEAD = 10, 14
_SENDERS = {CONTACT: b"contact", USER: b"user", BOT: b"bot"}
_DIRECTIONS = {CONTACT: b"incoming", USER: b"outgoing", BOT: b"outgoing"}
_TYPES = {CONTACT: 0, USER: 1, BOT: 1, NOTE: 1, TEMPLATE: 3}

# A row is head, read_at, tail, body and at head extras. Only the head has a fixed width, so the others are written
# first, each over what it may spoil next: bodies and extras spill to the right, tails and read_at (their ends
# aligned) to the left.
_HEAD = np.dtype(
    [("columns", ">i2")]
    + [
        (name, kind)
        for column in ("id", "account", "inbox", "conversation", "created")
        for name, kind in ((f"{column}_length", ">i4"), (column, ">i8"))
    ]
)
_READ = np.dtype([("length", ">i4"), ("value", ">i8")])
_READ_WIDTH, _UNREAD_WIDTH = 12, 4


@dataclass(frozen=True, slots=True)
class _Shape:
    """The varying columns between read_at and body, as templates by sender with their ends aligned."""

    columns: int
    tails: Octets
    widths: Ints
    fields: np.dtype[np.void]
    bot_bytes: np.int64  # of the bot's template, at the place where others have a sender_id

    @property
    def width(self) -> int:
        return int(self.tails.shape[1])


def _tail_template(kind: int, *, at_head: bool) -> bytes:
    """sender_type, sender_id, direction, at head message_type and private, and the length word of the body."""
    by = int(SENDER[kind])
    sender, direction = _SENDERS[by], _DIRECTIONS[by]
    parts = [len(sender).to_bytes(4, "big"), sender]
    parts += [b"\xff" * 4] if by == BOT else [(8).to_bytes(4, "big"), bytes(8)]
    parts += [len(direction).to_bytes(4, "big"), direction]
    if at_head:
        parts += [(2).to_bytes(4, "big"), _TYPES[kind].to_bytes(2, "big")]
        parts += [(1).to_bytes(4, "big"), bytes([kind == NOTE])]
    return b"".join([*parts, bytes(4)])


@cache
def _shape(*, at_head: bool) -> _Shape:
    templates = [_tail_template(kind, at_head=at_head) for kind in range(len(SENDER))]
    widths = np.array([len(template) for template in templates])
    width = int(widths.max())
    tails = np.frombuffer(b"".join(t.rjust(width, b"\0") for t in templates), dtype=np.uint8).reshape(-1, width)
    behind = 12 + 4 + (6 + 5 if at_head else 0)  # direction, body's length word, message_type, private
    fields = np.dtype(
        {
            "names": ["sender_id", "body_length"],
            "formats": [">i8", ">i4"],
            "offsets": [width - behind - 8, width - 4],
            "itemsize": width,
        }
    )
    bot_bytes = np.int64(tails.view(fields)["sender_id"][BOT, 0])
    return _Shape(_COLUMNS_AT_HEAD if at_head else _COLUMNS, tails, widths, fields, bot_bytes)


def window(context: Context, state: AnyArray, keys: Ints, first_id: int, number: int) -> Octets:
    """COPY rows of the messages of `keys` (sorted); ids begin at `first_id`; `state` is of all conversations."""
    stream = Stream(context.seed, "messages", number)
    shape = _shape(at_head=context.layout.at_head)
    kind = kinds(keys)
    sender = SENDER[kind]
    of = state.take(positions(keys))
    read_at = read_moments(keys, of["agent_read"], of["contact_read"], span(context.profile))
    bodies = write_bodies(context, sender, 1 - of["russian"].astype(np.int64), stream)
    row = _Row(
        head=_heads(context, keys, of, first_id),
        read=_reads(context, read_at),
        read_width=np.where(read_at >= 0, _READ_WIDTH, _UNREAD_WIDTH),
        tail=_tails(shape, kind, _senders(context, sender, of, stream), bodies.size),
        tail_width=shape.widths[kind],
        bodies=bodies,
        extras=draw_extras(context, kind, of, first_id, number) if context.layout.at_head else None,
    )
    return _assemble(context, row)


@cache
def _blank_head(columns: int) -> AnyArray:
    """One head with everything that is the same in all rows."""
    head = np.zeros(1, dtype=_HEAD)
    head["columns"] = columns
    for name in ("id", "account", "inbox", "conversation", "created"):
        head[f"{name}_length"] = 8
    return head


def _heads(context: Context, keys: Ints, of: AnyArray, first_id: int) -> AnyArray:
    head = np.repeat(_blank_head(_shape(at_head=context.layout.at_head).columns), len(keys))
    head["id"] = np.arange(first_id, first_id + len(keys))
    head["account"], head["inbox"] = of["account"], of["inbox"]
    head["conversation"], head["created"] = positions(keys) + 1, timestamps(context.epoch, moments(keys))
    return head


def _senders(context: Context, sender: Ints, of: AnyArray, stream: Stream) -> IntLike:
    """The contact; or the assignee, or at times another member of the inbox."""
    owners = context.outline.owners
    chosen = np.where(sender == CONTACT, of["contact"], of["assignee"])
    other = np.flatnonzero(stream.chance(context.profile.dialogue.handover, len(sender)) & (sender == USER))
    inbox = of["inbox"][other] - 1
    turn = stream.below(owners.member_count[inbox], len(other))
    chosen[other] = owners.member_user[owners.member_first[inbox] + turn]
    return chosen


def _octets(records: AnyArray) -> Octets:
    return records.view(np.uint8).reshape(len(records), records.dtype.itemsize)


@dataclass(frozen=True, slots=True)
class _Row:
    """The parts of a window's rows, and how wide the varying ones are."""

    head: AnyArray
    read: AnyArray
    read_width: Ints
    tail: AnyArray
    tail_width: Ints
    bodies: Bodies
    extras: Extras | None  # at head


def _assemble(context: Context, row: _Row) -> Octets:
    behind = row.bodies.size if row.extras is None else row.bodies.size + row.extras.size
    size = row.read_width + row.tail_width + behind + _HEAD.itemsize
    ends = np.cumsum(size)
    body_at = ends - behind
    tail_at = body_at - row.tail_width
    out = np.empty(int(ends[-1]) + context.sentences.pool.width, dtype=np.uint8)
    put_bodies(context, out, body_at, row.bodies, row.head["id"])
    if row.extras is not None:
        put_extras(out, ends, row.extras)
    scatter(out, body_at - row.tail.dtype.itemsize, _octets(row.tail))
    scatter(out, tail_at - _READ_WIDTH, _octets(row.read))
    scatter(out, ends - size, _octets(row.head))
    return out[: int(ends[-1])]


def _tails(shape: _Shape, kind: Ints, sender_id: IntLike, body_size: Ints) -> AnyArray:
    tails = rows_of(shape.tails, kind).view(shape.fields).ravel()
    tails["sender_id"] = np.where(SENDER[kind] == BOT, shape.bot_bytes, sender_id)
    tails["body_length"] = body_size
    return tails


def _reads(context: Context, read_at: Ints) -> AnyArray:
    """Length and value; where unread, the last four bytes are the length word -1."""
    reads = np.empty(len(read_at), dtype=_READ)
    reads["length"] = 8
    reads["value"] = np.where(read_at >= 0, timestamps(context.epoch, read_at), -1)
    return reads
