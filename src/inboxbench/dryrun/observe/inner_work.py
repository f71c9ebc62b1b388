"""Which statement ran what the server counted within statements: in functions, triggers, and cascades of foreign keys.

The server counts texts, not who ran them; the poll says when. What ended between two looks is given to the statement
that ran then; of several, to the one whose code has the text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain

from inboxbench.dryrun.more import Inner
from inboxbench.dryrun.observe.lock_attribution import LATE_MS
from inboxbench.dryrun.observe.log_statements import Draft, Segment
from inboxbench.dryrun.observe.plan_work import Work
from inboxbench.dryrun.observe.sampler import InnerLook, Poll
from inboxbench.sqltree import parse
from inboxbench.sqltree.commands import Relation
from inboxbench.sqltree.tokens import scan

CODE = ("call", "do")
_OWN = "inboxbench_observe"
_DEAD = ("update", "delete", "merge")
_Shape = tuple[str, ...]
_Extent = tuple[float, float, Draft]  # Unix ms, to where the session went on after it


def share_inner_work(parts: Sequence[Segment], poll: Poll) -> None:
    """Give each statement what ran within it."""
    if not poll.inner:
        return
    extents, code = _Extents(parts), _Code(poll)
    added: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for look in poll.inner:
        candidates = extents.of(look)
        for query, (calls, rows) in look.added.items():
            if candidates:
                counts = added[id(code.runner(poll.texts.get(query, ""), candidates))]
                before = counts.get(query, (0, 0))
                counts[query] = before[0] + calls, before[1] + rows
    for draft in extents.drafts:
        draft.inner = list(_named(added.get(id(draft), {}), poll.texts))


class _Extents:
    """When each statement may have been running; what is deferred runs at COMMIT, and is of the transaction's last."""

    def __init__(self, parts: Sequence[Segment]) -> None:
        extents: list[_Extent] = [
            (draft.started, max(draft.finished, segment.finished if draft is segment.statements[-1] else 0.0), draft)
            for segment in parts
            for draft in segment.statements
        ]
        self._extents = sorted(extents, key=lambda extent: extent[0])
        self._starts = [begin for begin, _, _ in self._extents]
        self._reached = list(accumulate((end for _, end, _ in self._extents), max))

    @property
    def drafts(self) -> list[Draft]:
        return [draft for _, _, draft in self._extents]

    def of(self, look: InnerLook) -> list[tuple[float, Draft]]:
        """Return who ran between two looks, with the ms of it."""
        since, by = look.since - LATE_MS, look.by + LATE_MS
        place = bisect_right(self._starts, by) - 1
        running = []
        while place >= 0 and self._reached[place] >= since:
            begin, end, draft = self._extents[place]
            if end >= since:
                running.append((min(end, by) - max(begin, since), draft))
            place -= 1
        return running


def _shape(text: str) -> _Shape:
    """Return its words and signs with `?` for each value, as the server writes a placeholder for it."""
    return tuple("?" if token.kind in ("string", "number", "parameter") else token.value for token in scan(text))


def _pieces(source: str) -> list[_Shape]:
    """Return the statements of a function's source."""
    pieces: list[list[str]] = [[]]
    for word in _shape(source):
        if word == ";":
            pieces.append([])
        else:
            pieces[-1].append(word)
    return [tuple(piece) for piece in pieces if piece]


class _Code:
    """The code that a statement may run: the functions that it calls, the triggers of the tables that it writes to, and
    foreign keys.
    """

    def __init__(self, poll: Poll) -> None:
        self._bodies: dict[str, set[str]] = defaultdict(set)
        self._pieces: dict[str, list[_Shape]] = defaultdict(list)
        self._fired: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for kind, name, to in poll.code:
            if kind == "function":
                self._bodies[name] |= parse(to).words
                self._pieces[name] += _pieces(to)
            else:
                self._fired[name].add((kind, to))
        self._reach: dict[str, frozenset[str]] = {}

    def runner(self, text: str, candidates: Sequence[tuple[float, Draft]]) -> Draft:
        """Return who ran a text: whose code has it as a statement, else who has all its words, else who leads to its
        table, else who ran longest.
        """
        if len(candidates) == 1:
            return candidates[0][1]
        return max(candidates, key=lambda pair: (*self._fit(text, pair[1]), pair[0]))[1]

    def _fit(self, text: str, draft: Draft) -> tuple[bool, ...]:
        parsed, reach = parse(text), self._reached(draft.sql)
        targets = {relation.name for command in parsed.commands for relation in command.relations}
        calls = draft.parsed.has(*CODE) or not self._bodies.keys().isdisjoint(draft.parsed.words)
        writes = any(command.writes for command in draft.parsed.commands)
        return (
            self._has(draft, _shape(text)),
            parsed.words <= reach,
            bool(targets & (reach - draft.parsed.words)),
            bool(targets & reach),
            calls or writes,
        )

    def _has(self, draft: Draft, shape: _Shape) -> bool:
        """Return whether a statement of its functions or of its block ends like this: before it stand BEGIN, THEN …"""
        own = (piece for token in scan(draft.sql) if token.kind == "string" for piece in _pieces(token.content))
        called = (piece for name in self._reached(draft.sql) & self._pieces.keys() for piece in self._pieces[name])
        return any(piece[-len(shape) :] == shape for piece in chain(own, called))

    def _reached(self, sql: str) -> frozenset[str]:
        """Return all words that a text leads to."""
        if sql not in self._reach:
            reach, fresh = set[str](), set(parse(sql).words)
            while fresh:
                reach |= fresh
                fresh = {word for name in reach & self._bodies.keys() for word in self._bodies[name]}
                written = ((name, fired) for name in reach & self._fired.keys() for fired in self._fired[name])
                fresh = (fresh | {to for _, (event, to) in written if event in reach or "merge" in reach}) - reach
            self._reach[sql] = frozenset(reach)
        return self._reach[sql]


def _named(counts: dict[int, tuple[int, int]], texts: dict[int, str]) -> Iterator[Inner]:
    """Yield those whose text is known, the most rows first; not what our own triggers ran."""
    by_rows = sorted(counts.items(), key=lambda item: (-item[1][1], -item[1][0], item[0]))
    for query, (calls, rows) in by_rows:
        if query in texts and _OWN not in texts[query]:
            yield Inner(texts[query], calls, rows)


def inner_work(draft: Draft, resolve: Callable[[Relation], str | None]) -> Iterator[Work]:
    """Yield the locks and dead rows of what it wrote within. resolve: gives schema.name of a relation in a text."""
    for inner in draft.inner:
        for command in parse(inner.sql).commands:
            name = resolve(command.target) if command.writes and command.target else None
            if command.writes:
                locks = ((name, "RowExclusiveLock"),) if name else ()
                yield Work(locks=locks, dead=inner.rows if command.kind in _DEAD else 0)


def rows_at_once(draft: Draft, changed: int) -> int | None:
    """Return the most rows that a transaction of a statement changed that commits inside; None for one that is one.

    changed: rows in all; where not every transaction's rows are known, they are as many in each.
    """
    if len(draft.committed) < 2:
        return None
    known = sum(draft.committed.values())
    return max(*draft.committed.values(), -(-changed // len(draft.committed)) if changed > known else 0)


def planned_dead(plans: Iterable[Work]) -> int:
    """Return how many rows they left dead."""
    return sum(plan.dead for plan in plans)
