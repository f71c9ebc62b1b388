"""A class of schedules: what orders its steps, how many schedules it has, and the simplest of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import permutations
from typing import Any, Protocol

from inboxbench.race.explore.model import LETTERS

_MOST_STATES = 20_000


class Step(Protocol):
    """A step of a session; `sessions` did something in it. waits: its session has to wait from then on."""

    @property
    def session(self) -> int: ...

    @property
    def sessions(self) -> frozenset[int]: ...

    @property
    def waits(self) -> bool: ...

    def depends_on(self, other: Any, /) -> bool: ...


class Order:
    """The order that dependent steps of a schedule have. clocks: per step, how many of each session come before."""

    def __init__(self, letters: Sequence[Step]) -> None:
        self._letters = letters
        self._sessions = sorted({letter.session for letter in letters})
        self._by_session = {s: [i for i, letter in enumerate(letters) if letter.session == s] for s in self._sessions}
        self._rank = {place: rank for places in self._by_session.values() for rank, place in enumerate(places)}
        self._depends: list[list[int]] = []
        self._clocks: list[dict[int, int]] = []
        for late, letter in enumerate(letters):
            depends = [early for early in range(late) if letters[early].depends_on(letter)]
            clock: dict[int, int] = {}
            for early in depends:
                for session, count in self._clocks[early].items():
                    clock[session] = max(clock.get(session, 0), count)
                session = letters[early].session
                clock[session] = max(clock.get(session, 0), self._rank[early] + 1)
            self._depends.append(depends)
            self._clocks.append(clock)

    def _before(self, early: int, late: int) -> bool:
        """Return whether the step `early` has to come before `late`."""
        return self._clocks[late].get(self._letters[early].session, 0) > self._rank[early]

    def races(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs of steps that do not commute and could come the other way round."""
        for late, depends in enumerate(self._depends):
            for early in depends:
                if self._letters[late].session in self._letters[early].sessions:
                    continue
                between = (k for k in range(early + 1, late) if self._before(k, late) and self._before(early, k))
                if next(between, None) is None:
                    yield early, late

    def initials(self, early: int, late: int) -> set[int]:
        """Return the sessions that can go first when `late` is to come before `early`."""
        after = [place for place in range(early + 1, late) if not self._before(early, place)] + [late]
        firsts: set[int] = set()
        seen: set[int] = set()
        for position, place in enumerate(after):
            session = self._letters[place].session
            if session not in seen and not any(self._before(other, place) for other in after[:position]):
                firsts.add(session)
            seen.add(session)
        return firsts

    def _ready(self, done: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """Yield the index of each session that can step, with the place of its step."""
        for index, session in enumerate(self._sessions):
            places = self._by_session[session]
            if done[index] == len(places):
                continue
            place = places[done[index]]
            clock = self._clocks[place]
            if all(done[i] >= clock.get(s, 0) for i, s in enumerate(self._sessions) if i != index):
                yield index, place

    def least(self) -> str:
        """Return the first schedule of the class in the order of the alphabet, which no other class has."""
        done, letters = tuple(0 for _ in self._sessions), []
        for _ in self._letters:
            index, _place = next(self._ready(done))
            letters.append(LETTERS[self._sessions[index]])
            done = (*done[:index], done[index] + 1, *done[index + 1 :])
        return "".join(letters)

    def count(self) -> int:
        """Return how many schedules the class has."""
        total, product = len(self._letters), 1
        for group in self._groups:
            total_of_group = sum(len(self._by_session[session]) for session in group)
            product *= self._extensions(group) * math.comb(total, total_of_group)
            total -= total_of_group
        return product

    @cached_property
    def _groups(self) -> list[list[int]]:
        """Return the sessions in groups between which nothing is ordered."""
        group = {session: session for session in self._sessions}
        for place, clock in enumerate(self._clocks):
            for session in clock:
                old, new = group[session], group[self._letters[place].session]
                group = {key: new if value == old else value for key, value in group.items()}
        return [[s for s in self._sessions if group[s] == name] for name in sorted(set(group.values()))]

    def _extensions(self, group: Sequence[int]) -> int:
        """Count the orders of the steps of some sessions, by how far each has come."""
        counts = {tuple(0 for _ in group): 1}
        for _ in range(sum(len(self._by_session[session]) for session in group)):
            following: dict[tuple[int, ...], int] = {}
            for done, ways in counts.items():
                for index, session in enumerate(group):
                    places = self._by_session[session]
                    if done[index] == len(places):
                        continue
                    clock = self._clocks[places[done[index]]]
                    if all(done[i] >= clock.get(s, 0) for i, s in enumerate(group) if i != index):
                        key = (*done[:index], done[index] + 1, *done[index + 1 :])
                        following[key] = following.get(key, 0) + ways
            counts = following
        return sum(counts.values())

    def serial(self) -> list[str]:
        """Return the schedules of the class in which one session follows another."""
        found = []
        for order in permutations(range(len(self._sessions))):
            done = tuple(0 for _ in self._sessions)
            for index in order:
                for _ in self._by_session[self._sessions[index]]:
                    if all(ready != index for ready, _place in self._ready(done)):
                        break
                    done = (*done[:index], done[index] + 1, *done[index + 1 :])
                else:
                    continue
                break
            else:
                found.append(
                    "".join(LETTERS[self._sessions[i]] * len(self._by_session[self._sessions[i]]) for i in order)
                )
        return found

    def simplest(self) -> tuple[int, int, str]:
        """Return the schedule of the class with the fewest preemptions: their number, where the first is, it itself."""
        played = "".join(LETTERS[letter.session] for letter in self._letters)
        if math.prod(len(places) + 1 for places in self._by_session.values()) > _MOST_STATES:
            return len(played), 0, played
        states: dict[tuple[tuple[int, ...], int], tuple[int, int, str]] = {}
        states[tuple(0 for _ in self._sessions), -1] = (0, 0, "")
        for _ in self._letters:
            following: dict[tuple[tuple[int, ...], int], tuple[int, int, str]] = {}
            for (done, last), (preempted, first, text) in states.items():
                could = last >= 0 and self._could_go_on(done, last)
                for index, _place in self._ready(done):
                    switch = int(could and last != index)
                    at = first or (len(text) if switch else 0)
                    value = (preempted + switch, at, text + LETTERS[self._sessions[index]])
                    key = ((*done[:index], done[index] + 1, *done[index + 1 :]), index)
                    if key not in following or value < following[key]:
                        following[key] = value
            states = following
        return min(states.values())

    def _could_go_on(self, done: tuple[int, ...], index: int) -> bool:
        """Return whether a session has steps left and does not wait."""
        places = self._by_session[self._sessions[index]]
        if done[index] == len(places):
            return False
        last = places[done[index] - 1]
        if not self._letters[last].waits:
            return True
        woken = (p for p in range(last + 1, len(self._letters)) if self._sessions[index] in self._letters[p].sessions)
        woke = next(woken)
        return done[self._sessions.index(self._letters[woke].session)] > self._rank[woke]
