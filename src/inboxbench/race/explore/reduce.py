"""Plays one schedule of each class whose members differ only in the order of steps that commute.

Dynamic partial-order reduction with sleep sets (Flanagan and Godefroid 2005; Abdulla, Aronis, Jonsson, Sagonas 2014):
each schedule that was played is searched for pairs of steps that do not commute and that nothing orders otherwise, and
only there the other order is played. What commutes is decided by `footprint` and the isolation level; why that is sound
stands in docs/explanation/races.md. How many schedules a class has is counted, not played.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from psycopg import IsolationLevel

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.classes import Order
from inboxbench.race.explore.footprint import EVERYTHING, NOTHING, CoarserError, Footprint, Footprints, meet
from inboxbench.race.explore.model import LETTERS, Bounds, Choice, Event, Scenario, ScheduleRun
from inboxbench.race.explore.result import Counterexample, Exploration, PlaySchedule, Prefix, Tally

# A savepoint of psycopg's own has no name here, and its end may be a rollback to it.
_ENDS = re.compile(r"(commit|rollback|abort|end)\b|release savepoint$", re.IGNORECASE)
_BEGINS = re.compile(r"(begin|savepoint)$", re.IGNORECASE)
# What changes the rules for the rest of a session, so that nothing in it is exchanged any more.
_OTHER_RULES = re.compile(
    r"\bisolation\b|\bset_config\b|^\s*(set|reset|discard)\b|\bread only\b|\bdeferrable\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Letter:
    """A step of a schedule, with what it made others do. ends: what the transactions touched that ended in it.

    sessions: those that did something in it. snapshot: a transaction takes its snapshot in it, or may.
    component: with whom serialization failures may be; None below SERIALIZABLE. waits: its session has to wait.
    """

    session: int
    sessions: frozenset[int]
    does: Footprint
    ends: Footprint
    boundary: bool = False
    component: frozenset[int] | None = None
    waits: bool = False

    def depends_on(self, other: Letter) -> bool:
        """Return whether the order of the two may matter."""
        if self.sessions & other.sessions or self._everything or other._everything:
            return True
        if self.component is not None:
            if self.component.isdisjoint(other.component or ()):
                return False
            return self.boundary or other.boundary or _conflict(self, other) or _conflict(other, self)
        return _conflict(self, other) or _conflict(other, self)

    @property
    def _everything(self) -> bool:
        return self.does.everything or self.ends.everything


def _conflict(one: Letter, other: Letter) -> bool:
    """Return whether what `one` changes is touched by `other`.

    What is written and not committed is seen by nobody, so it meets writes and locks alone, but at SERIALIZABLE reads
    as well; what is committed, and locks that are let go, meet everything.
    """
    touched = other.does.keeps | other.does.writes | other.ends.writes | other.ends.keeps
    seen = touched | other.does.reads
    return (
        meet(one.does.writes, seen if one.component is not None else touched)
        or meet(one.ends.writes, seen)
        or meet(one.ends.keeps, other.does.writes | other.ends.writes)
    )


def _statement(event: Event, footprints: Footprints) -> Footprint:
    text = event.text.strip()
    if _OTHER_RULES.search(text):
        return EVERYTHING
    return NOTHING if _ENDS.match(text) or _BEGINS.match(text) else footprints.of(event.text, event.parameters)


def _tables(footprint: Footprint) -> Footprint:
    """Return the footprint in whole tables: the server keeps what a serializable transaction read by page or table."""

    def whole(
        cells: frozenset[tuple[str, frozenset[tuple[str, object]]]],
    ) -> frozenset[tuple[str, frozenset[tuple[str, object]]]]:
        return frozenset((name.partition("#")[0], frozenset()) for name, _ in cells)

    return Footprint(whole(footprint.reads), whole(footprint.keeps), whole(footprint.writes), footprint.everything)


def letters_of(run: ScheduleRun, footprints: Footprints, level: IsolationLevel) -> list[Letter]:
    """Return the letters of a schedule with what each touched."""
    serializable = level == IsolationLevel.SERIALIZABLE
    open_: dict[int, Footprint] = {}
    whole: dict[int, Footprint] = {}  # letter that takes a snapshot → all that its transaction touches
    letters: list[Letter] = []
    others: set[int] = set()
    snapshot_of: dict[int, list[int]] = {}
    bounds = [*run.starts, len(run.events)]
    for place, letter in enumerate(run.schedule):
        session = LETTERS.index(letter.upper())
        does, ends, boundary = NOTHING, NOTHING, False
        sessions = {session}
        for event in run.events[bounds[place] : bounds[place + 1]]:
            sessions.add(event.session)
            footprint = EVERYTHING if event.session in others else _statement(event, footprints)
            if event.level not in (None, level) or _OTHER_RULES.search(event.text):
                others.add(event.session)
                footprint = EVERYTHING
            footprint = _tables(footprint) if serializable else footprint
            before = open_.get(event.session, NOTHING)
            if not before.cells and not before.everything:
                snapshot_of.setdefault(event.session, []).append(place)
                boundary = True
            open_[event.session] = after = before | footprint
            for at in snapshot_of.get(event.session, ()):
                whole[at] = whole.get(at, NOTHING) | footprint
            does = does | footprint
            if event.transaction != "open" or _ENDS.match(event.text.strip()):
                ends, boundary = ends | after, True
            if event.transaction == "none":
                open_[event.session] = NOTHING
                snapshot_of.pop(event.session, None)
        waits = any(e.kind == "waits" and e.session == session for e in run.events[bounds[place] : bounds[place + 1]])
        letters.append(Letter(session, frozenset(sessions), does, ends, boundary, waits=waits))
    if level == IsolationLevel.READ_COMMITTED:
        return letters
    letters = [
        replace(
            letter,
            does=replace(
                letter.does,
                reads=letter.does.reads | whole[place].cells,
                everything=letter.does.everything or whole[place].everything,
            ),
        )
        if place in whole
        else letter
        for place, letter in enumerate(letters)
    ]
    return _with_components(letters) if serializable else letters


def _with_components(letters: Sequence[Letter]) -> list[Letter]:
    """Give each letter the component of its session: sessions that meet in a table, also through others."""
    total: dict[int, Footprint] = {}
    for letter in letters:
        for session in letter.sessions:
            total[session] = total.get(session, NOTHING) | letter.does | letter.ends
    component = {session: frozenset((session,)) for session in total}
    for one, touched in total.items():
        for other, also in total.items():
            if _linked(touched, also):
                joined = component[one] | component[other]
                component |= dict.fromkeys(joined, joined)
    return [replace(letter, component=component[letter.session]) for letter in letters]


def _linked(one: Footprint, other: Footprint) -> bool:
    return one.everything or other.everything or meet(one.writes, other.cells) or meet(one.cells, other.writes)


@dataclass
class _Node:
    """A point on the way of a schedule. sleep: sessions whose step here leads to a class that is known already."""

    choice: Choice
    sleep: Mapping[int, Letter]
    current: Letter | None = None
    todo: set[int] = field(default_factory=set)
    done: dict[int, Letter] = field(default_factory=dict)

    def child_sleep(self) -> dict[int, Letter]:
        assert self.current is not None
        current = self.current
        return {
            session: letter
            for session, letter in {**self.sleep, **self.done}.items()
            if session != current.session and not letter.depends_on(current)
        }


class _Reduction:
    """One search. path: the nodes of the schedule that was played last, as far as they are explored."""

    def __init__(self, play: PlaySchedule, scenario: Scenario, bounds: Bounds, footprints: Footprints) -> None:
        self._play = play
        self._scenario = scenario
        self._bounds = bounds
        self._footprints = footprints
        self._path: list[_Node] = []
        self._tally = Tally()
        self._most = [0] * len(scenario.functions)
        self._seen: set[str] = set()
        self._cut = False
        self._bad: list[tuple[tuple[int, int, str], Counterexample]] = []

    def run(self) -> Exploration:
        prefix: str | None = ""
        while prefix is not None:
            if self._tally.played == self._bounds.schedules:
                self._cut = True
                break
            prefix = self._explore(prefix)
        return self._tally.exploration(self._most, complete=not self._cut, example=self._simplest())

    def _explore(self, prefix: str) -> str | None:
        """Play a prefix; return the next one."""
        expected = tuple(node.choice for node in self._path[: len(prefix)])
        played, complaints = Prefix(prefix, expected).play(self._play)
        self._tally.played += 1
        self._most = [max(before, now) for before, now in zip(self._most, played.steps, strict=True)]
        if played.diverged:
            self._cut = True
            self._tally.add(played, bad=bool(complaints or played.failures))
            return self._next(prefix[: len(self._path)])
        letters = letters_of(played, self._footprints, self._scenario.level)
        order = Order(letters)
        self._count(played, complaints, order)
        again = self._extend(played, letters)
        self._find_races(order)
        return again or self._next(played.schedule)

    def _count(self, played: ScheduleRun, complaints: tuple[str, ...], order: Order) -> None:
        key = order.least()
        if key in self._seen:
            return
        self._seen.add(key)
        serial = order.serial()
        if complaints and serial:
            raise SubjectFailed(self._scenario.serially_wrong(serial[0], complaints[0]))
        bad = bool(complaints or played.failures)
        self._tally.add(played, bad=bad, represents=order.count(), serial=len(serial))
        if bad:
            self._bad.append((order.simplest(), Counterexample(played, complaints)))

    def _extend(self, played: ScheduleRun, letters: Sequence[Letter]) -> str | None:
        """Put the schedule on the path, up to where it is known; return another way to go from there, if any is."""
        for place, letter in enumerate(letters):
            if place >= len(self._path):
                sleep = self._path[-1].child_sleep() if self._path else {}
                self._path.append(_Node(played.choices[place], sleep))
            node = self._path[place]
            if letter.session in node.sleep:
                awake = [session for session in node.choice.ready if session not in node.sleep]
                if not awake:
                    self._path.pop()
                    return None
                node.todo.add(awake[0])
                return played.schedule[:place] + LETTERS[awake[0]]
            node.current = letter
            node.todo.add(letter.session)
        return None

    def _next(self, schedule: str) -> str | None:
        """Return the deepest prefix that is still to be played."""
        while self._path:
            node = self._path[-1]
            if node.current is not None:
                node.done[node.current.session] = node.current
            for session in sorted(node.todo):
                if session not in node.done and session not in node.sleep:
                    return schedule[: len(self._path) - 1] + LETTERS[session]
            self._path.pop()
        return None

    def _find_races(self, order: Order) -> None:
        """Where two steps do not commute and nothing orders them otherwise, let the later one come first as well."""
        for early, late in order.races():
            if early >= len(self._path):
                continue
            node = self._path[early]
            first = order.initials(early, late)
            if first & node.todo:
                continue
            possible = first & set(node.choice.ready)
            if possible:
                node.todo.add(min(possible))
            else:
                node.todo.update(node.choice.ready)

    def _simplest(self) -> Counterexample | None:
        """Return the bad schedule with the fewest preemptions, played once more where it was not the one played."""
        if not self._bad:
            return None
        (_, _, schedule), example = min(self._bad, key=lambda pair: pair[0])
        if schedule == example.run.schedule:
            return example
        played, complaints = self._play(schedule)
        same = played.schedule == schedule and bool(complaints or played.failures)
        return Counterexample(played, complaints) if same else example


def search_reduced(play: PlaySchedule, scenario: Scenario, bounds: Bounds, footprints: Footprints) -> Exploration:
    """Play a schedule of each class, within `bounds`.

    Raises SubjectFailed for a complaint about sessions that ran one after another.
    """
    while True:
        try:
            return _Reduction(play, scenario, bounds, footprints).run()
        except CoarserError:  # seen in the first schedules, which are played again
            continue
