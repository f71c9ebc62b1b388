"""Rows of messages, a window of time at a time: the table that decides how fast a dataset is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inboxbench.seed.arrays import AnyArray, IntLike, Ints, Octets
from inboxbench.seed.bodies import Bodies, put_bodies, write_bodies
from inboxbench.seed.dialogue import BOT, CONTACT, USER, kinds, moments, positions
from inboxbench.seed.encoding import rows_of, scatter, timestamps
from inboxbench.seed.material import Material
from inboxbench.seed.streams import Stream
from inboxbench.seed.world import span

_COLUMNS = 10
_SENDERS = {CONTACT: b"contact", USER: b"user", BOT: b"bot"}
_DIRECTIONS = {CONTACT: b"incoming", USER: b"outgoing", BOT: b"outgoing"}

# A row is head, read_at, tail and body. Only the head has a fixed width, so the others are written first, each
# over what it may spoil next: bodies spill to the right, tails and read_at (their ends aligned) to the left.
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


def _tail_template(kind: int) -> bytes:
    """sender_type, sender_id, direction and the length word of the body."""
    sender, direction = _SENDERS[kind], _DIRECTIONS[kind]
    sender_id = b"\xff" * 4 if kind == BOT else (8).to_bytes(4, "big") + bytes(8)
    return b"".join(
        [
            len(sender).to_bytes(4, "big"),
            sender,
            sender_id,
            len(direction).to_bytes(4, "big"),
            direction,
            bytes(4),
        ]
    )


_TEMPLATES = [_tail_template(kind) for kind in (CONTACT, USER, BOT)]
_TAIL_WIDTHS = np.array([len(template) for template in _TEMPLATES])
_TAIL_WIDTH = int(_TAIL_WIDTHS.max())
_TAILS = np.frombuffer(b"".join(t.rjust(_TAIL_WIDTH, b"\0") for t in _TEMPLATES), dtype=np.uint8).reshape(
    -1, _TAIL_WIDTH
)
_TAIL = np.dtype(
    {
        "names": ["sender_id", "body_length"],
        "formats": [">i8", ">i4"],
        "offsets": [_TAIL_WIDTH - 24, _TAIL_WIDTH - 4],
        "itemsize": _TAIL_WIDTH,
    }
)
# A bot has no id: its template's own bytes at the place where others have one.
_BOT_BYTES = np.int64(_TAILS.view(_TAIL)["sender_id"][BOT, 0])


def window(m: Material, state: AnyArray, keys: Ints, first_id: int, number: int) -> Octets:
    """COPY rows of the messages of `keys` (sorted); ids begin at `first_id`; `state` is of all conversations."""
    stream = Stream(m.seed, "messages", number)
    kind, moment = kinds(keys), moments(keys)
    of = state.take(positions(keys))
    read_at = _read_moments(m, kind, moment, of, stream)
    bodies = write_bodies(m, kind, 1 - of["russian"].astype(np.int64), stream)
    row = _Row(
        head=_heads(m, keys, of, first_id),
        read=_reads(m, read_at),
        read_width=np.where(read_at >= 0, _READ_WIDTH, _UNREAD_WIDTH),
        tail=_tails(kind, _senders(m, kind, of, stream), bodies.size),
        tail_width=_TAIL_WIDTHS[kind],
        bodies=bodies,
    )
    return _assemble(m, row)


def _heads(m: Material, keys: Ints, of: AnyArray, first_id: int) -> AnyArray:
    head = np.empty(len(keys), dtype=_HEAD)
    head["columns"] = _COLUMNS
    for name in ("id", "account", "inbox", "conversation", "created"):
        head[f"{name}_length"] = 8
    head["id"] = np.arange(first_id, first_id + len(keys))
    head["account"], head["inbox"] = of["account"], of["inbox"]
    head["conversation"], head["created"] = positions(keys) + 1, timestamps(m.epoch, moments(keys))
    return head


def _read_moments(m: Material, kind: Ints, moment: Ints, of: AnyArray, stream: Stream) -> Ints:
    """When the other side read it: soon, but not after its last visit; -1 for not yet."""
    until = np.where(kind == CONTACT, of["agent_read"], of["contact_read"])
    draw = stream.bits16(len(kind))
    soon = np.minimum(moment + 500 + (draw * draw >> 13), span(m.profile))
    return np.where(moment <= until, np.maximum(np.minimum(soon, until), moment), -1)


def _senders(m: Material, kind: Ints, of: AnyArray, stream: Stream) -> IntLike:
    """The contact; or the assignee, or at times another member of the inbox."""
    owners = m.world.owners
    chosen = np.where(kind == CONTACT, of["contact"], of["assignee"])
    other = np.flatnonzero(stream.chance(m.profile.dialogue.handover, len(kind)) & (kind == USER))
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


def _assemble(m: Material, row: _Row) -> Octets:
    size = row.read_width + row.tail_width + row.bodies.size + _HEAD.itemsize
    ends = np.cumsum(size)
    body_at = ends - row.bodies.size
    tail_at = body_at - row.tail_width
    out = np.empty(int(ends[-1]) + m.sentences.pool.width, dtype=np.uint8)
    put_bodies(m, out, body_at, row.bodies, row.head["id"])
    scatter(out, body_at - _TAIL_WIDTH, _octets(row.tail))
    scatter(out, tail_at - _READ_WIDTH, _octets(row.read))
    scatter(out, ends - size, _octets(row.head))
    return out[: int(ends[-1])]


def _tails(kind: Ints, sender_id: IntLike, body_size: Ints) -> AnyArray:
    tails = rows_of(_TAILS, kind).view(_TAIL).ravel()
    tails["sender_id"] = np.where(kind == BOT, _BOT_BYTES, sender_id)
    tails["body_length"] = body_size
    return tails


def _reads(m: Material, read_at: Ints) -> AnyArray:
    """Length and value; where unread, the last four bytes are the length word -1."""
    reads = np.empty(len(read_at), dtype=_READ)
    reads["length"] = 8
    reads["value"] = np.where(read_at >= 0, timestamps(m.epoch, read_at), -1)
    return reads
