"""Whether sets that answer a query with different rows are all right, because the query leaves open which rows come.

The judge is a database with the same rows and no index of a set: it shows all rows that may come at each place (by the
query without its LIMIT, its order keys ranked by the server), or, for what a query within, a window or an aggregate
leaves open, the answer with every tie broken, which each set has to give as well.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any, Literal

import psycopg

from inboxbench.bench.execute.session import STATEMENT, Probe, prepared
from inboxbench.bench.workload.queries import Case
from inboxbench.sqltree.openings import Openings, openings
from inboxbench.sqltree.tie_breaks import Whole, settled_text, whole_text

_IN_ANY_ORDER = "no ORDER BY leaves open in which order they come"
# Rows of an answer that are kept one by one; of a longer one a tie cannot be told from a fault.
MOST_ROWS = 5000
_DIGITS = 12  # of a floating-point number: a sum differs in its last ones by the order of adding
_SAME_BUT_FOR_SPELLING = (
    "their values are equal: a number has several spellings (1.0 and 1.00), and a sum of floating-point numbers "
    "depends on the order of adding in its last digits"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is kept of the rows that a query gave: a digest of each, in order (None: too many), one of all of them, and
    one of its rows with every tie broken (None: it leaves nothing open within, or that was too slow)."""

    rows: tuple[str, ...] | None
    equal: str
    settled: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """said: `either` of two answers is right, the first, the second or both are `wrong`, or it is `unsure`; words: why,
    to be put behind the query's name."""

    said: Literal["either", "second wrong", "first wrong", "unsure"]
    words: str = ""


def keep(rows: Sequence[tuple[Any, ...]], case: Case) -> Answer:
    """Return what is kept of an answer to a case."""
    digests = tuple(_digest(row) for row in rows)
    in_order = _openings(case).ordered and case.query.order == "ordered"
    whole = hashlib.sha256("".join(digests if in_order else sorted(digests)).encode()).hexdigest()[:16]
    return Answer(digests if len(digests) <= MOST_ROWS else None, whole)


def _digest(row: Sequence[Any]) -> str:
    return hashlib.sha256(repr([_plain(value) for value in row]).encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    """Return a value in the one spelling of all that are equal to it."""
    if isinstance(value, float):
        return f"{value + 0.0:.{_DIGITS}g}"
    if isinstance(value, Decimal):
        return str(value.normalize() + 0) if value.is_finite() else str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo else value


def settled(probe: Probe, case: Case) -> str | None:
    """Return the digest of a query's rows with every tie broken; None for one that leaves nothing open within, or whose
    ties no text breaks."""
    text = settled_text(case.query.prepared) if _openings(case).within else None
    with suppress(psycopg.Error):
        return _settled_by(probe, case, text) if text else None
    return None


def _openings(case: Case) -> Openings:
    return openings(case.query.prepared)


def _settled_by(probe: Probe, case: Case, text: str) -> str:
    with prepared(probe.connection, case, text) as execute:
        rows, _plan, _seconds = probe.fetch(execute, case.query)
    return keep(rows, case).equal


def judge(truth: Probe, case: Case, first: Answer, second: Answer) -> Judgement:
    """Say whether two different answers to a query are both right. truth: a session where the same rows are, without
    the indexes of any set."""
    if first.equal == second.equal:
        same = _openings(case).ordered or case.query.order == "unordered"
        return Judgement("either", _SAME_BUT_FOR_SPELLING if same else _IN_ANY_ORDER)
    try:
        judged = (_by_ties if _openings(case).within else _by_places)(truth, case, first, second)
    except psycopg.errors.QueryCanceled:
        return Judgement("unsure", "all rows that may come could not be read in time")
    except psycopg.Error as error:
        return Judgement("unsure", f"the query that shows them fails: {str(error).splitlines()[0]}")
    changing = _openings(case).changing
    if changing and judged.said.endswith("wrong"):
        return Judgement("unsure", f"it uses {changing[0]}, which is another one at each execution")
    return judged


def _by_ties(truth: Probe, case: Case, first: Answer, second: Answer) -> Judgement:
    opened = _openings(case)
    text = case.query.prepared
    one_way, other_way = settled_text(text), settled_text(text, reverse=True)
    if not (one_way and other_way and first.settled and second.settled):
        return Judgement("unsure", f"{opened} leaves open which rows come, in a way that cannot be settled")
    right = _settled_by(truth, case, one_way)
    tied = right != _settled_by(truth, case, other_way)  # else there is one right answer, and it is this one
    if right != (second.settled if tied else second.equal):
        return Judgement("second wrong")
    if right != (first.settled if tied else first.equal):
        return Judgement("first wrong")
    return Judgement("either", f"{opened} leaves ties, and with each of them broken all sets give the same rows")


def _by_places(truth: Probe, case: Case, first: Answer, second: Answer) -> Judgement:
    if first.rows is None or second.rows is None:
        return Judgement("unsure", f"they are more than {MOST_ROWS:,}")
    opened = _openings(case)
    with prepared(truth.connection, case):
        described = truth.connection.pgconn.describe_prepared(STATEMENT.encode())
        names = [(described.fname(place) or b"").decode() for place in range(described.nfields)]
    whole = whole_text(case.query.prepared, names)
    if whole is None:
        return Judgement("unsure", "no query shows all rows that may come")
    start, length = _window(truth, case, whole)
    places = _Places((first.rows, second.rows), start, length, whole)
    with prepared(truth.connection, case, whole.text) as execute:
        places.read(truth.connection.cursor().stream(execute))
    wrong = [place for place, right in enumerate(places.right()) if not right]
    if wrong:
        return Judgement("second wrong" if 1 in wrong else "first wrong")
    return Judgement("either", f"{opened} leaves open which come{places.in_words()}")


def _window(truth: Probe, case: Case, whole: Whole) -> tuple[int, int | None]:
    """Return the place of the first row that comes, from 0 on, and how many come (None: all)."""
    text = f"SELECT ({whole.offset or 'NULL'})::bigint, ({whole.limit or 'NULL'})::bigint"
    with prepared(truth.connection, case, text) as execute:
        row = truth.connection.execute(execute).fetchone()
    return (int(row[0] or 0), row[1]) if row else (0, None)


@dataclass
class _Places:
    """Walks over all rows, group of ties by group, and holds each answer's rows at those places against the group.

    start, length: the places that come. tied: rows of the widest group of which not all come, and how many do."""

    answers: tuple[tuple[str, ...], ...]
    start: int
    length: int | None
    whole: Whole
    total: int = 0
    tied: tuple[int, int] = (0, 0)
    _come: int = 0
    _wrong: frozenset[int] = frozenset()

    def read(self, rows: Iterable[Sequence[Any]]) -> None:
        known = {digest for answer in self.answers for digest in answer}
        for _group, members in groupby(rows, key=lambda row: row[0]):
            digests, size = Counter[str](), 0
            for digest in _candidates(members):
                size += 1
                if digest in known:
                    digests[digest] += 1
            self._group(digests, size)

    def _group(self, digests: Counter[str], size: int) -> None:
        places = min(size, 1) if self.whole.distinct else size
        begin = max(self.total, self.start)
        end = self.total + places
        if self.length is not None and not (self.whole.with_ties and self.total < self.start + self.length):
            end = min(end, self.start + self.length)
        taken = max(0, end - begin)
        self.total += places
        if taken and taken < size and size > self.tied[0]:
            self.tied = size, taken
        for place, answer in enumerate(self.answers):
            rows = Counter(answer[begin - self.start : begin - self.start + taken])
            if rows.total() != taken or rows - digests:
                self._wrong |= {place}
        self._come += taken

    def right(self) -> list[bool]:
        """Return for each answer whether it is one of the right ones."""
        return [place not in self._wrong and len(answer) == self._come for place, answer in enumerate(self.answers)]

    def in_words(self) -> str:
        rows, taken = self.tied
        return f": {rows:,} rows tie for {taken:,} place{'s' * (taken != 1)}" if rows else ", in any order"


def _candidates(members: Iterable[Sequence[Any]]) -> Iterator[str]:
    for row in members:
        if row[1]:
            yield _digest(row[2:])
