"""What messages say: sentences of the pool side by side, now and then a number nobody used before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.data.context import Context
from inboxbench.messenger.data.profile import Text
from inboxbench.seed.binary import Flags, IntLike, Ints, Octets
from inboxbench.seed.binary.copy_format import Pool, digits, pool_of, rows_of, scatter
from inboxbench.seed.binary.distributions import Stream, inverse_table

_ZEROS = b"00000000"
# Order, parcel, contract, link: by language, Russian first. The zeros are the row's own digits.
_TOKENS = (
    " Заказ № 00000000.",
    " Трек-номер: RA00000000RU",
    " Договор 00000000/26",
    " https://shop.example/o/00000000",
    " Order no. 00000000.",
    " Tracking: RA00000000US",
    " Invoice 00000000/26",
    " https://shop.example/o/00000000",
)
_KINDS = 4
# The digits scramble the message id: a bijection below this prime, so no two messages carry the same.
_PRIME = 99_999_989
_FACTOR = 48_271


@dataclass(frozen=True, slots=True)
class Bodies:
    """The sentences of all bodies of a window, and the tokens that some of them end with."""

    row: Ints  # of each sentence
    index: Ints  # in the pool
    inside: Ints  # where its record begins, counted from the byte before its body
    text: Ints  # bytes of each body without its token
    size: Ints  # bytes of each body
    tokened: Ints  # rows with a token
    token: Ints  # its kind, by language


@cache
def _piece_table(weights: tuple[float, ...]) -> Ints:
    return 1 + inverse_table(np.asarray(weights))


@cache
def _tokens() -> tuple[Pool, Ints]:
    """The templates as a pool, and where each has its digits."""
    encoded = [text.encode() for text in _TOKENS]
    return pool_of(encoded), np.array([text.index(_ZEROS) for text in encoded])


def _long_limits(text: Text, count: int, stream: Stream) -> Ints:
    """Most characters of very long bodies: evenly spread over magnitudes."""
    low, high = np.log(text.long_smallest), np.log(text.long_largest)
    limits = np.exp(low + (high - low) * (stream.bits16(count) + 1) / 65536)
    return np.asarray(np.minimum(limits, text.long_largest).astype(np.int64))


def _pieces(text: Text, count: int, stream: Stream) -> tuple[Ints, Ints, Ints]:
    """Sentences of each body; the rows of very long ones, and the most characters of these."""
    pieces = _piece_table(text.pieces)[stream.bits16(count)]
    long = np.flatnonzero(stream.bits32(count) < round(text.long_share * (1 << 32)))
    limit = _long_limits(text, len(long), stream)
    # Far more than will fit: a sentence has about forty characters, and what exceeds the limit is cut.
    pieces[long] = limit // 12
    return pieces, long, limit


def write_bodies(context: Context, kind: Ints, language: Ints, stream: Stream) -> Bodies:
    """Bodies of messages by sender's kind and language (0 Russian, 1 English)."""
    pool, text = context.sentences, context.profile.text
    pieces, long, limit = _pieces(text, len(kind), stream)
    row = np.repeat(np.arange(len(kind)), pieces)
    draw = stream.words(len(row))
    written = (draw & np.uint64(0xFFFF)).astype(np.int64) < round(text.phrase_share * 65536)
    place = (language * 6 + kind * 2)[row] + written
    index = pool.base.ravel()[place] + ((draw >> np.uint64(32)).astype(np.int64) * pool.size.ravel()[place] >> 32)
    if len(long):
        keep = _within_limit(context.sentences.characters[index], np.searchsorted(row, long), pieces[long], limit)
        row, index = row[keep], index[keep]
        pieces[long] = np.searchsorted(row, long, side="right") - np.searchsorted(row, long)
    tokened = _with_token(text, len(kind), long, stream)
    token = language[tokened] * _KINDS + (stream.bits16(len(tokened)) & (_KINDS - 1))
    return _measured(context, row, index, pieces=pieces, tokened=tokened, token=token)


def _within_limit(characters: IntLike, begins: Ints, pieces: Ints, limit: Ints) -> Flags:
    """Which sentences to keep: all of ordinary bodies, of very long ones those that fit the limit.

    Very long bodies begin at `begins` and have `pieces` sentences. A sentence's characters count its leading
    space, which the first of a body does not show.
    """
    keep = np.ones(len(characters), dtype=np.bool_)
    for first, count, most in zip(begins, pieces, limit, strict=True):
        sentences = slice(first, first + count)
        keep[sentences] = np.cumsum(characters[sentences], dtype=np.int64) - 1 <= most
    return keep


def _with_token(text: Text, count: int, long: Ints, stream: Stream) -> Ints:
    chosen = stream.chance(text.token_share, count)
    chosen[long] = False
    return np.flatnonzero(chosen)


def _measured(context: Context, row: Ints, index: Ints, *, pieces: Ints, tokened: Ints, token: Ints) -> Bodies:
    ends = np.cumsum(context.sentences.pool.lengths[index], dtype=np.int64)
    last = np.cumsum(pieces) - 1
    begins = np.concatenate(([0], ends[:-1]))
    start = begins[last - pieces + 1]
    text = ends[last] - start - 1
    size = text.copy()
    size[tokened] += _tokens()[0].lengths[token]
    return Bodies(row, index, begins - start[row], text, size, tokened, token)


def put_bodies(context: Context, out: Octets, places: Ints, bodies: Bodies, ids: Ints) -> None:
    """Write bodies that begin at `places`. Bytes around them are overwritten: write everything else later.

    A sentence's record begins with a space: it separates two sentences, and that of the first falls on the
    byte before the body. `out` must reach one record beyond the last body.
    """
    scatter(out, (places - 1)[bodies.row] + bodies.inside, rows_of(context.sentences.pool.records, bodies.index))
    _put_tokens(out, (places + bodies.text)[bodies.tokened], bodies.token, ids[bodies.tokened])


def _put_tokens(out: Octets, places: Ints, token: Ints, ids: Ints) -> None:
    """What a template spills behind its body falls on the next row's head."""
    pool, digits_at = _tokens()
    scatter(out, places, rows_of(pool.records, token))
    scatter(out, places + digits_at[token], digits(ids * _FACTOR % _PRIME, len(_ZEROS)))
