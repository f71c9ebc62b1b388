"""Rows of messages, a window of time at a time: the table that decides the speed. What head alone has of them is in
message_extras.py, lines of activity in activity_rows.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.data.bodies import Bodies, put_bodies, write_bodies
from inboxbench.messenger.data.context import Context
from inboxbench.messenger.data.message_extras import Extras, draw_extras, put_extras
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
from inboxbench.seed.binary.copy_format import rows_of, scatter, timestamps
from inboxbench.seed.binary.distributions import Stream

_COLUMNS, _COLUMNS_AT_HEAD = 10, 15
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
    """sender_type, sender_id, direction, at head message_type, content_type and private, and the length word of the
    body."""
    by = int(SENDER[kind])
    sender, direction = _SENDERS[by], _DIRECTIONS[by]
    parts = [len(sender).to_bytes(4, "big"), sender]
    parts += [b"\xff" * 4] if by == BOT else [(8).to_bytes(4, "big"), bytes(8)]
    parts += [len(direction).to_bytes(4, "big"), direction]
    if at_head:
        parts += [(2).to_bytes(4, "big"), _TYPES[kind].to_bytes(2, "big"), (2).to_bytes(4, "big"), bytes(2)]
        parts += [(1).to_bytes(4, "big"), bytes([kind == NOTE])]
    return b"".join([*parts, bytes(4)])


@cache
def _shape(*, at_head: bool) -> _Shape:
    templates = [_tail_template(kind, at_head=at_head) for kind in _TYPES]
    widths = np.array([len(template) for template in templates])
    width = int(widths.max())
    tails = np.frombuffer(b"".join(t.rjust(width, b"\0") for t in templates), dtype=np.uint8).reshape(-1, width)
    behind = 12 + 4 + (6 + 6 + 5 if at_head else 0)  # direction, body's length word; at head types and private
    fields = np.dtype(
        {
            "names": ["sender_id", "body_length", "content_type"],
            "formats": [">i8", ">i4", ">i2"],
            "offsets": [width - behind - 8, width - 4, width - 11],
            "itemsize": width,
        }
    )
    bot_bytes = np.int64(tails.view(fields)["sender_id"][BOT, 0])
    return _Shape(_COLUMNS_AT_HEAD if at_head else _COLUMNS, tails, widths, fields, bot_bytes)


def window(
    context: Context, state: AnyArray, keys: Ints, ids: Ints, numbers: Ints, *, number: int
) -> tuple[Octets, Ints]:
    """COPY rows of the messages of `keys` (sorted) with these ids, and where each of them ends.

    state: of all conversations; numbers: of the messages, from 1, lines of activity not counted, so that a message has
    the same text at both schemas.
    """
    stream = Stream(context.seed, "messages", number)
    shape = _shape(at_head=context.layout.at_head)
    kind = kinds(keys)
    sender = SENDER[kind]
    of = state.take(positions(keys))
    read_at = read_moments(keys, of["agent_read"], of["contact_read"], span(context.profile))
    bodies = write_bodies(context, sender, 1 - of["russian"].astype(np.int64), stream)
    extras = draw_extras(context, kind, of, numbers, number) if context.layout.at_head else None
    tail = _tails(shape, kind, _senders(context, sender, of, stream), bodies.size)
    if extras is not None:
        tail["content_type"] = extras.content
    row = _Row(
        head=_heads(context, keys, of, ids),
        numbers=numbers,
        read=_reads(context, read_at),
        read_width=np.where(read_at >= 0, _READ_WIDTH, _UNREAD_WIDTH),
        tail=tail,
        tail_width=shape.widths[kind],
        bodies=bodies,
        extras=extras,
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


def _heads(context: Context, keys: Ints, of: AnyArray, ids: Ints) -> AnyArray:
    head = np.repeat(_blank_head(_shape(at_head=context.layout.at_head).columns), len(keys))
    head["id"] = ids
    head["account"], head["inbox"] = of["account"], of["inbox"]
    head["conversation"], head["created"] = positions(keys) + 1, timestamps(context.epoch, moments(keys))
    return head


def _senders(context: Context, sender: Ints, of: AnyArray, stream: Stream) -> IntLike:
    """The contact; or the assignee, or at times another member of the inbox."""
    owners = context.outline.owners
    chosen = np.where(sender == CONTACT, of["contact"], of["assignee"])
    other = np.flatnonzero(stream.chance(context.profile.dialogue.handover, len(sender)) & (sender == USER))
    inbox = of["inbox"][other] - 1
    member = stream.below(owners.member_count[inbox], len(other))
    chosen[other] = owners.member_user[owners.member_first[inbox] + member]
    return chosen


def _octets(records: AnyArray) -> Octets:
    return records.view(np.uint8).reshape(len(records), records.dtype.itemsize)


@dataclass(frozen=True, slots=True)
class _Row:
    """The parts of a window's rows, and how wide the varying ones are."""

    head: AnyArray
    numbers: Ints
    read: AnyArray
    read_width: Ints
    tail: AnyArray
    tail_width: Ints
    bodies: Bodies
    extras: Extras | None  # at head


def _assemble(context: Context, row: _Row) -> tuple[Octets, Ints]:
    behind = row.bodies.size if row.extras is None else row.bodies.size + row.extras.size
    size = row.read_width + row.tail_width + behind + _HEAD.itemsize
    ends = np.cumsum(size)
    body_at = ends - behind
    tail_at = body_at - row.tail_width
    out = np.empty(int(ends[-1]) + context.sentences.pool.width, dtype=np.uint8)
    put_bodies(context, out, body_at, row.bodies, row.numbers)
    if row.extras is not None:
        put_extras(out, ends, row.extras)
    scatter(out, body_at - row.tail.dtype.itemsize, _octets(row.tail))
    scatter(out, tail_at - _READ_WIDTH, _octets(row.read))
    scatter(out, ends - size, _octets(row.head))
    return out[: int(ends[-1])], ends


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
