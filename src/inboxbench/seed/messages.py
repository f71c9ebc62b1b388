"""Rows of messages, a window of time at a time: the table that decides how fast a dataset is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.seed.arrays import AnyArray, Flags, Ints, Octets
from inboxbench.seed.dialogue import BOT, CONTACT, USER, kinds, moments, positions
from inboxbench.seed.distributions import inverse_table
from inboxbench.seed.encoding import digits, rows_of, scatter, timestamps
from inboxbench.seed.material import Material
from inboxbench.seed.profile import Text
from inboxbench.seed.streams import Stream
from inboxbench.seed.world import span

_COLUMNS = 10
_SENDERS = {CONTACT: b"contact", USER: b"user", BOT: b"bot"}
_DIRECTIONS = {CONTACT: b"incoming", USER: b"outgoing", BOT: b"outgoing"}
_SPACE = 32


@dataclass(frozen=True, slots=True)
class Bodies:
    """The pieces of all bodies of a window, and where they go once rows have places."""

    row: Ints  # of each piece
    index: Ints  # in the pool of sentences
    inside: Ints  # where it begins in its body
    opens: Flags  # first piece of its body
    size: Ints  # of each body, its token included
    text: Ints  # of each body, without the token
    token: Ints  # kind of token by row, -1 for none


# --- what a message says --------------------------------------------------------------------------------------


@cache
def _piece_table(weights: tuple[float, ...]) -> Ints:
    return 1 + inverse_table(np.asarray(weights))


@cache
def _token_templates() -> list[list[tuple[bytes, int, int]]]:
    """By language: text, place of its digits, how many. One is drawn, and its digits are the row's own."""
    russian = [" Заказ № 00000000.", " Трек-номер: RA00000000RU", " Договор 00000000/26", " https://shop.example/o/00000000"]
    english = [" Order no. 00000000.", " Tracking: RA00000000US", " Invoice 00000000/26", " https://shop.example/o/00000000"]
    return [
        [(t.encode(), t.encode().index(b"00000000"), 8) for t in language] for language in (russian, english)
    ]


def _lengths_of_long(text: Text, count: int, stream: Stream) -> Ints:
    """Characters wanted of very long bodies: evenly spread over magnitudes."""
    low, high = np.log(text.long_smallest), np.log(text.long_largest)
    return np.exp(low + (high - low) * (stream.bits16(count) + 1) / 65536).astype(np.int64)


def _pieces(m: Material, count: int, stream: Stream) -> tuple[Ints, Ints]:
    """Sentences of each body, and for very long ones the most characters (0: any)."""
    text = m.profile.text
    pieces = _piece_table(text.pieces)[stream.bits16(count)]
    limit = np.zeros(count, dtype=np.int64)
    long = np.flatnonzero(stream.bits32(count) < round(text.long_share * (1 << 32)))
    if len(long):
        limit[long] = _lengths_of_long(text, len(long), stream)
        pieces[long] = limit[long] // 12
    return pieces, limit


def write_bodies(m: Material, kind: Ints, russian: Ints, stream: Stream) -> Bodies:
    pool, text = m.sentences, m.profile.text
    count = len(kind)
    pieces, limit = _pieces(m, count, stream)
    row = np.repeat(np.arange(count), pieces)
    draw = stream.words(len(row))
    written = (draw & np.uint64(0xFFFF)).astype(np.int64) < round(text.phrase_share * 65536)
    place = ((1 - russian) * 6 + kind * 2)[row] + written
    within = (draw >> np.uint64(32)).astype(np.int64) * pool.size.ravel()[place] >> 32
    index = pool.base.ravel()[place] + within
    if limit.any():
        keep = _within_limit(pool.characters[index] + 1, pieces, limit)
        row, index = row[keep], index[keep]
        pieces = np.bincount(row, minlength=count)
    return _measured(m, row, index, pieces, limit, stream)


def _within_limit(characters: Ints, pieces: Ints, limit: Ints) -> Flags:
    """Pieces of long bodies that still fit their limit, separators counted."""
    total = np.cumsum(characters)
    before = (total - characters)[np.cumsum(pieces) - pieces]
    reached = total - np.repeat(before, pieces) - 1
    return (reached <= np.repeat(limit, pieces)) | (np.repeat(limit, pieces) == 0)


def _measured(
    m: Material, row: Ints, index: Ints, pieces: Ints, limit: Ints, stream: Stream
) -> Bodies:
    count = len(pieces)
    ends = np.cumsum(m.sentences.pool.lengths[index] + 1)
    last = np.cumsum(pieces) - 1
    head = last - pieces + 1
    begins = np.concatenate(([0], ends[:-1]))
    start = begins[head]
    text = ends[last] - start - 1
    token = np.where(stream.chance(m.profile.text.token_share, count) & (limit == 0), stream.bits16(count) & 3, -1)
    opens = np.zeros(len(row), dtype=np.bool_)
    opens[head] = True
    return Bodies(row, index, begins - start[row], opens, text, text, token)


# --- where it goes --------------------------------------------------------------------------------------------


@cache
def _shape(kind: int, read: bool) -> tuple[np.dtype[np.void], np.ndarray[tuple[int, ...], np.dtype[np.void]]]:
    """The packed layout of everything before a body's bytes, and one record with its constants filled in."""
    sender, direction = _SENDERS[kind], _DIRECTIONS[kind]
    layout: list[tuple[str, str]] = [("columns", ">i2")]
    for name in ("id", "account", "inbox", "conversation", "created"):
        layout += [(f"{name}_length", ">i4"), (name, ">i8")]
    layout += [("sender_length", ">i4"), ("sender_type", f"S{len(sender)}"), ("sender_id_length", ">i4")]
    layout += [] if kind == BOT else [("sender_id", ">i8")]
    layout += [("direction_length", ">i4"), ("direction", f"S{len(direction)}"), ("read_length", ">i4")]
    layout += [("read", ">i8")] if read else []
    layout += [("body_length", ">i4")]
    record = np.zeros(1, dtype=layout)
    record["columns"] = _COLUMNS
    for name in ("id", "account", "inbox", "conversation", "created"):
        record[f"{name}_length"] = 8
    record["sender_length"], record["sender_type"] = len(sender), sender
    record["sender_id_length"] = -1 if kind == BOT else 8
    record["direction_length"], record["direction"] = len(direction), direction
    record["read_length"] = 8 if read else -1
    return record.dtype, record


@dataclass(frozen=True, slots=True)
class _Columns:
    id: Ints
    account: AnyArray
    inbox: AnyArray
    conversation: Ints
    created: Ints
    sender_id: Ints
    read: Ints


def window(m: Material, state: AnyArray, keys: Ints, first_id: int, number: int) -> Octets:
    """COPY rows of the messages of `keys` (sorted); ids begin at `first_id`; `state` is that of all conversations."""
    stream = Stream(m.seed, "messages", number)
    kind, place = kinds(keys), positions(keys)
    of = state.take(place)
    moment = moments(keys)
    read_at = _read_moments(m, kind, moment, of, stream)
    bodies = write_bodies(m, kind, of["russian"].astype(np.int64), stream)
    bodies = _with_tokens(bodies, 1 - of["russian"].astype(np.int64))
    columns = _Columns(
        id=np.arange(first_id, first_id + len(keys)),
        account=of["account"],
        inbox=of["inbox"],
        conversation=place + 1,
        created=timestamps(m.epoch, moment),
        sender_id=_senders(m, kind, of, stream),
        read=timestamps(m.epoch, read_at),
    )
    return _assemble(m, columns, kind * 2 + (read_at >= 0), bodies, 1 - of["russian"].astype(np.int64), stream)


def _read_moments(m: Material, kind: Ints, moment: Ints, of: AnyArray, stream: Stream) -> Ints:
    """When the other side read it: soon, but not after its last visit; -1 for not yet."""
    until = np.where(kind == CONTACT, of["agent_read"], of["contact_read"])
    draw = stream.bits16(len(kind))
    soon = moment + 500 + (draw * draw >> 13)
    return np.where(moment <= until, np.minimum(np.maximum(np.minimum(soon, until), moment), span(m.profile)), -1)


def _senders(m: Material, kind: Ints, of: AnyArray, stream: Stream) -> Ints:
    """The contact; or the assignee, or at times another member of the inbox."""
    owners = m.world.owners
    chosen = np.where(kind == CONTACT, of["contact"], of["assignee"]).astype(np.int64)
    other = np.flatnonzero(stream.chance(m.profile.dialogue.handover, len(kind)) & (kind == USER))
    inbox = of["inbox"][other] - 1
    turn = stream.below(owners.member_count[inbox], len(other))
    chosen[other] = owners.member_user[owners.member_first[inbox] + turn]
    return chosen


def _with_tokens(bodies: Bodies, language: Ints) -> Bodies:
    width = np.array([[len(text) for text, _, _ in kinds_] for kinds_ in _token_templates()])
    extra = np.where(bodies.token >= 0, width[language, np.maximum(bodies.token, 0)], 0)
    return Bodies(
        bodies.row, bodies.index, bodies.inside, bodies.opens, bodies.text + extra, bodies.text, bodies.token
    )


def _assemble(
    m: Material, columns: _Columns, shape: Ints, bodies: Bodies, language: Ints, stream: Stream
) -> Octets:
    prefix = np.array([_shape(k, r)[0].itemsize for k in (CONTACT, USER, BOT) for r in (False, True)])
    ends = np.cumsum(prefix[shape] + bodies.size)
    body_at = ends - bodies.size
    pool = m.sentences.pool
    out = np.empty(int(ends[-1]) + pool.width, dtype=np.uint8)
    places = body_at[bodies.row] + bodies.inside
    scatter(out, places, rows_of(pool.records, bodies.index))
    out[places[~bodies.opens] - 1] = _SPACE
    _write_tokens(out, body_at + bodies.text, bodies.token, language, columns.id)
    for value in range(len(prefix)):
        chosen = np.flatnonzero(shape == value)
        if len(chosen):
            _write_prefixes(out, body_at[chosen] - prefix[value], columns, chosen, value, bodies.size)
    return out[: int(ends[-1])]


def _write_prefixes(
    out: Octets, places: Ints, columns: _Columns, chosen: Ints, shape: int, body_size: Ints
) -> None:
    dtype, blank = _shape(shape // 2, bool(shape % 2))
    records = np.repeat(blank, len(chosen))
    names = dtype.names or ()
    for name in ("id", "account", "inbox", "conversation", "created", "sender_id", "read"):
        if name in names:
            records[name] = getattr(columns, name)[chosen]
    records["body_length"] = body_size[chosen]
    scatter(out, places, records.view(np.uint8).reshape(len(chosen), dtype.itemsize))


def _write_tokens(out: Octets, places: Ints, token: Ints, language: Ints, number: Ints) -> None:
    """Tokens are exact in width, so they disturb nothing beside them. Digits scramble the message id."""
    for lang, templates in enumerate(_token_templates()):
        for kind, (text, at, width) in enumerate(templates):
            chosen = np.flatnonzero((token == kind) & (language == lang))
            if not len(chosen):
                continue
            records = np.tile(np.frombuffer(text, dtype=np.uint8), (len(chosen), 1))
            records[:, at : at + width] = digits(number[chosen] * 48_271 % 99_999_989, width)
            scatter(out, places[chosen], records)
