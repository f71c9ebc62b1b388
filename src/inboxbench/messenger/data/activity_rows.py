"""COPY rows of the lines of activity, and of the surveys that follow some of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.app.message import ContentType, MessageType
from inboxbench.messenger.data.activity import (
    ASSIGNED,
    MUTED,
    PENDING,
    PRIORITY,
    RESOLVED,
    SNOOZE,
    SURVEY,
    TAKEN,
    codes,
)
from inboxbench.messenger.data.context import Context, contact_names
from inboxbench.messenger.data.message_keys import (
    BOT,
    CONTACT,
    LINE_CONTACT,
    LINE_USER,
    USER,
    kinds,
    moments,
    positions,
)
from inboxbench.seed.binary import AnyArray, Ints, Octets
from inboxbench.seed.binary.copy_format import Pool, digits, pool_of, texts, timestamps
from inboxbench.seed.binary.fields import Number, Part, big_endian, fixed_part, gather, lay_out

_COLUMNS = 15
_NULL = b"\xff" * 4
_PRIORITIES = ("low", "medium", "high", "urgent")

# What a line says after the name of who did it, and what programs read: the texts and facts of app/, by code. An
# automation's name is part of the text. `{}` in the facts stands for the agent's id or the time.
_PRIORITISED = '{{"kind": "priority", "from": null, "to": "{}"}}'.format
_STATUS = '{{"kind": "status", "from": "{}", "to": "{}"}}'.format
_LINES = {
    TAKEN: (" took the conversation", '{"kind": "assigned", "from": null, "to": {}}'),
    ASSIGNED: (" assigned the conversation to ", '{"kind": "assigned", "from": null, "to": {}}'),
    RESOLVED: (" resolved the conversation", _STATUS("open", "resolved")),
    PENDING: (" marked the conversation as pending", _STATUS("open", "pending")),
    SNOOZE: (" snoozed the conversation until ", '{"kind": "snoozed", "until": "{}+00:00"}'),
    MUTED: (" muted the conversation", '{"kind": "muted", "from": "open", "to": "resolved"}'),
}
_OPENED = (" opened the conversation", _STATUS("resolved", "open"))
_SURVEYS = ("Оцените, пожалуйста, нашу помощь от 1 до 5.", "Please rate our help from 1 to 5.")
# Places in the pool of texts: those of a code, of the contact's line, of the four priorities, of two surveys.
_OPENED_AT = SURVEY + 1
_PRIORITY_AT = _OPENED_AT + 1
_SURVEY_AT = _PRIORITY_AT + len(_PRIORITIES)


@dataclass(frozen=True, slots=True)
class _Phrases:
    """text: after the name; attributes: source_id (none) and content_attributes up to what is the line's own;
    attribute_bytes: of all of content_attributes but the line's own."""

    text: Pool
    attributes: Pool
    attribute_bytes: Ints


@cache
def _phrases() -> _Phrases:
    said = [_LINES.get(code, ("", "{}")) for code in range(SURVEY + 1)]
    said.append(_OPENED)
    said += [(f" set the priority to {name}", _PRIORITISED(name)) for name in _PRIORITIES]
    documents = [f'{{"activity": {facts}}}'.partition("{}")[0] for _, facts in said] + ["{}"] * len(_SURVEYS)
    before = [b"\x01" + document.encode() for document in documents]
    return _Phrases(
        texts([text for text, _ in said] + list(_SURVEYS)),
        pool_of([_NULL + bytes(4) + document for document in before]),
        np.array([len(document) for document in before]),
    )


@dataclass(frozen=True, slots=True)
class _Tail:
    """The columns between created_at and body, and the length word of the body; where the sender's id stands."""

    octets: Octets
    sender_at: int


@cache
def _tails() -> tuple[_Tail, ...]:
    """Of lines by a user, a bot and a contact, and of surveys."""
    line, survey = (MessageType.ACTIVITY, ContentType.TEXT), (MessageType.TEMPLATE, ContentType.INPUT_CSAT)
    return (_tail(USER, *line), _tail(BOT, *line), _tail(CONTACT, *line), _tail(BOT, *survey))


def _tail(sender: int, message: MessageType, content: ContentType) -> _Tail:
    """read_at (none), sender_type, sender_id, direction, both types, private."""
    name = {CONTACT: b"contact", USER: b"user", BOT: b"bot"}[sender]
    before = _NULL + _field(name)
    direction = b"incoming" if sender == CONTACT else b"outgoing"
    types = _field(message.to_bytes(2, "big")) + _field(content.to_bytes(2, "big")) + _field(bytes(1))
    octets = before + (_NULL if sender == BOT else _field(bytes(8))) + _field(direction) + types + bytes(4)
    return _Tail(np.frombuffer(octets, dtype=np.uint8), 0 if sender == BOT else len(before) + 4)


def _field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def activity_rows(context: Context, states: AnyArray, keys: Ints, ids: Ints) -> tuple[Octets, Ints]:
    """Rows of the lines of `keys` (sorted), and where each of them ends. states: of all conversations."""
    of, kind = states.take(positions(keys)), kinds(keys)
    # A contact's line is about one thing only.
    code = np.where(kind == LINE_CONTACT, _OPENED_AT, codes(keys))
    phrase = np.where(code == PRIORITY, _PRIORITY_AT + of["priority"], code)
    phrase = np.where(code == SURVEY, _SURVEY_AT + 1 - of["russian"], phrase)
    text, shown, own = _phrases().text.take(phrase), *_own(context, of, code)
    body = [_names(context, of, kind, code), text, shown]
    attributes, lengths = _phrases().attributes.take(phrase)
    attributes[:, 4:8] = big_endian(_phrases().attribute_bytes[phrase] + own[1], "i4")
    columns = [ids, of["account"], of["inbox"], positions(keys) + 1, timestamps(context.epoch, moments(keys))]
    size = np.sum([length for _, length in body], axis=0)
    return lay_out([_heads(columns, of, kind, code, size), *body, (attributes, lengths), own])


def _heads(columns: list[AnyArray], of: AnyArray, kind: Ints, code: Ints, size: Ints) -> Part:
    """Everything before the body, which has `size` bytes."""
    first, width = fixed_part([Number(column) for column in columns], _COLUMNS)
    variant = np.where(code == SURVEY, 3, kind - LINE_USER)
    wide = max(len(tail.octets) for tail in _tails())
    records, lengths = np.concatenate((first, np.zeros((len(kind), wide), dtype=np.uint8)), axis=1), width.copy()
    sender = big_endian(np.where(kind == LINE_CONTACT, of["contact"], of["assignee"]), "i8")
    begins = first.shape[1]
    for number, tail in enumerate(_tails()):
        rows, ends = np.flatnonzero(variant == number), begins + len(tail.octets)
        records[rows, begins:ends] = tail.octets
        records[rows, ends - 4 : ends] = big_endian(size[rows], "i4")
        if tail.sender_at:
            records[rows, begins + tail.sender_at : begins + tail.sender_at + 8] = sender[rows]
        lengths[rows] += len(tail.octets)
    return records, lengths


def _own(context: Context, of: AnyArray, code: Ints) -> tuple[Part, Part]:
    """What is a line's own after its text (the agent's name, a time) and in its content_attributes (id, time)."""
    count = len(code)
    shown = np.zeros((count, max(context.agents.width, 20)), dtype=np.uint8)
    own = np.zeros((count, 28), dtype=np.uint8)
    shown_length, own_length = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    rows = np.flatnonzero(code == ASSIGNED)
    names, shown_length[rows] = context.agents.take(of["assignee"][rows] - 1)
    shown[rows, : names.shape[1]] = names
    rows = np.flatnonzero((code == TAKEN) | (code == ASSIGNED))
    own[rows, :12], own_length[rows] = _number(of["assignee"][rows].astype(np.int64)), 12
    rows = np.flatnonzero(code == SNOOZE)
    iso = _times(of["until"][rows] + context.epoch)
    own[rows, :19], own[rows, 19:28], own_length[rows] = iso, np.frombuffer(b'+00:00"}}', dtype=np.uint8), 28
    shown[rows, :16], shown[rows, 16:20], shown_length[rows] = iso[:, :16], np.frombuffer(b" UTC", dtype=np.uint8), 20
    shown[rows, 10] = ord(" ")
    return (shown, shown_length), (own, own_length)


def _names(context: Context, of: AnyArray, kind: Ints, code: Ints) -> Part:
    """Who did it: the holder, in a few rows the contact, else the automation; a survey begins without a name."""
    place = np.where(kind == LINE_USER, of["assignee"] - 1, len(context.agents) - 2)
    records, lengths = context.agents.take(np.where(code == SURVEY, len(context.agents) - 1, place))
    rows = np.flatnonzero(kind == LINE_CONTACT)
    names, lengths[rows] = gather(contact_names(context, of["contact"][rows].astype(np.int64)))
    wide = max(names.shape[1], records.shape[1])
    records = np.pad(records, ((0, 0), (0, wide - records.shape[1])))
    records[rows, : names.shape[1]] = names
    return records, lengths


def _number(values: Ints) -> Octets:
    """Decimal digits with spaces before them, since JSON knows no leading zeros, and the end of the document."""
    records = np.concatenate((digits(values, 10), np.full((len(values), 2), ord("}"), dtype=np.uint8)), axis=1)
    records[np.cumprod(records == ord("0"), axis=1).astype(np.bool_)] = ord(" ")
    return records


def _times(moments_ms: Ints) -> Octets:
    """Moments since 1970 as 2026-11-04T15:00:00."""
    iso = np.datetime_as_string(moments_ms.astype("datetime64[ms]"), unit="s").astype("S19")
    return np.ascontiguousarray(iso).view(np.uint8).reshape(-1, 19)
