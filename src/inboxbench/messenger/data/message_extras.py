"""What only head has of a message: its content type, the channel's id of it, and files, cards and forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.app.message import ContentType
from inboxbench.messenger.data.context import Context
from inboxbench.messenger.data.features import origins
from inboxbench.messenger.data.message_keys import CONTACT, NOTE, TEMPLATE
from inboxbench.seed.binary import AnyArray, Ints, Octets
from inboxbench.seed.binary.copy_format import digits, scatter
from inboxbench.seed.binary.distributions import Stream

_NULL = b"\xff" * 4
_NO_ATTRIBUTES = (3).to_bytes(4, "big") + b"\x01{}"
_SOURCE = b"wamid."
_DIGITS = 14
# The digits scramble the message's number: a bijection below this prime, so that neighbours do not look alike.
_PRIME = 99_999_999_999_973
_FACTOR = 4_827_101  # times a number stays within 63 bits

_FILES = (
    ("image", "IMG_{}.jpg", 240_000), ("image", "screenshot-{}.png", 810_000), ("image", "photo_{}.webp", 96_000),
    ("file", "invoice-{}.pdf", 64_000), ("file", "return-form-{}.docx", 31_000), ("file", "log-{}.txt", 12_000),
    ("audio", "voice-{}.ogg", 58_000), ("video", "unboxing-{}.mp4", 6_400_000),
)  # fmt: skip
_NUMBER = "000000"
_CARDS: tuple[tuple[ContentType, list[dict[str, str]]], ...] = (
    (
        ContentType.CARDS,
        [
            {"title": "Order {}", "description": "On its way", "link": "https://shop.example/o/{}"},
            {"title": "Return it", "description": "Within 14 days", "link": "https://shop.example/return"},
        ],
    ),
    (ContentType.INPUT_SELECT, [{"title": "Order {}", "value": "{}"}, {"title": "Something else", "value": "other"}]),
    (
        ContentType.FORM,
        [{"name": "order", "type": "text", "default": "{}"}, {"name": "email", "type": "email", "label": "E-mail"}],
    ),
    (
        ContentType.ARTICLE,
        [{"title": "Where is my parcel?", "description": "Delivery", "link": "https://help.example/{}"}],
    ),
)


@dataclass(frozen=True, slots=True)
class Extras:
    content: Ints  # by row: content_type
    source: Ints  # by row: number of its source_id, 0 for none
    attached: Ints  # rows with a document: a file, cards …
    document: Ints  # which one
    number: Ints  # and the number in it
    size: Ints  # by row, bytes of source_id and content_attributes


@dataclass(frozen=True, slots=True)
class _Document:
    """content_attributes with their length word, and where the number stands in them."""

    content: ContentType
    octets: Octets
    places: tuple[int, ...]


def _document(content: ContentType, attributes: Mapping[str, object]) -> _Document:
    text = b"\x01" + json.dumps(attributes, separators=(",", ":")).replace("{}", _NUMBER).encode()
    octets = len(text).to_bytes(4, "big") + text
    number = _NUMBER.encode()
    places, at = [], octets.find(number, 4)
    while at >= 0:
        places.append(at)
        at = octets.find(number, at + 1)
    return _Document(content, np.frombuffer(octets, dtype=np.uint8), tuple(places))


@cache
def _documents() -> tuple[_Document, ...]:
    """Files, then cards and their like."""
    files = ({"attachments": [{"file_type": kind, "name": name, "file_size": size}]} for kind, name, size in _FILES)
    return (
        *(_document(ContentType.ATTACHMENT, file) for file in files),
        *(_document(content, {"items": items}) for content, items in _CARDS),
    )


@cache
def _lengths() -> Ints:
    return np.array([len(document.octets) for document in _documents()])


@cache
def _contents() -> Ints:
    return np.array([int(document.content) for document in _documents()])


def _plain() -> Octets:
    return np.frombuffer(_NULL + _NO_ATTRIBUTES, dtype=np.uint8)


def _sourced() -> Octets:
    """A source_id with zeros for its digits, and no attributes."""
    word = (len(_SOURCE) + _DIGITS).to_bytes(4, "big")
    return np.frombuffer(word + _SOURCE + b"0" * _DIGITS + _NO_ATTRIBUTES, dtype=np.uint8)


def draw_extras(context: Context, kind: Ints, of: AnyArray, numbers: Ints, window: int) -> Extras:
    """For the messages of a window, whose numbers are given; draws from a stream of its own."""
    features, count = context.profile.features, len(kind)
    stream = Stream(context.seed, "features.messages", window)
    source = origins(features, of["inbox"].astype(np.int64), kind != NOTE, numbers, stream)
    filed = stream.chance(features.attachments, count)
    carded = (kind == TEMPLATE) & stream.chance(features.cards, count)
    content = np.where((kind == CONTACT) & stream.chance(features.stickers, count), int(ContentType.STICKER), 0)
    attached = np.flatnonzero(filed | carded)
    file, card = stream.below(len(_FILES), len(attached)), stream.below(len(_CARDS), len(attached))
    document = np.where(carded[attached], len(_FILES) + card, file)
    content[attached] = _contents()[document]
    size = np.where(source > 0, len(_sourced()), len(_plain()))
    size[attached] += _lengths()[document] - len(_NO_ATTRIBUTES)
    return Extras(content, source, attached, document, stream.below(10 ** len(_NUMBER), len(attached)), size)


def put_extras(out: Octets, ends: Ints, extras: Extras) -> None:
    """Write both columns of rows that end at `ends`. What a row without source_id has no room for spills behind it, by
    less than the head of the next one takes: write that later."""
    at = ends - extras.size
    scatter(out, at, np.tile(_plain(), (len(at), 1)))
    rows = np.flatnonzero(extras.source)
    records = np.tile(_sourced(), (len(rows), 1))
    start = 4 + len(_SOURCE)
    records[:, start : start + _DIGITS] = digits(extras.source[rows] * _FACTOR % _PRIME, _DIGITS)
    scatter(out, at[rows], records)
    for number, document in enumerate(_documents()):
        chosen = extras.document == number
        _put_document(out, ends[extras.attached[chosen]], document, digits(extras.number[chosen], len(_NUMBER)))


def _put_document(out: Octets, ends: Ints, document: _Document, number: Octets) -> None:
    """The document with these numbers, one before each of `ends`."""
    records = np.tile(document.octets, (len(ends), 1))
    for place in document.places:
        records[:, place : place + len(_NUMBER)] = number
    scatter(out, ends - len(document.octets), records)
