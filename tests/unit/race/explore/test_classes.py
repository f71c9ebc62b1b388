"""What orders the steps of a schedule, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import pytest

from inboxbench.race.explore.classes import Order


@dataclass(frozen=True)
class Letter:
    """A step of a session that touches one thing, None for none that another one touches."""

    session: int
    touches: str | None = None
    woken: int | None = None
    waits: bool = False

    @property
    def sessions(self) -> frozenset[int]:
        return frozenset({self.session} if self.woken is None else {self.session, self.woken})

    def depends_on(self, other: Letter) -> bool:
        return bool(self.sessions & other.sessions) or (self.touches is not None and self.touches == other.touches)


def letters(text: str) -> list[Letter]:
    """Parse `Ax B Ay`: a session, and what its step touches."""
    return [Letter("ABC".index(word[0]), word[1:] or None) for word in text.split()]


def by_hand(steps: list[Letter]) -> set[str]:
    """Return all orders of the steps that keep each pair that depends."""
    found = set()
    for order in permutations(range(len(steps))):
        rank = {place: at for at, place in enumerate(order)}
        pairs = ((i, j) for j in range(len(steps)) for i in range(j) if steps[i].depends_on(steps[j]))
        if all(rank[i] < rank[j] for i, j in pairs):
            found.add("".join("ABC"[steps[place].session] for place in order))
    return found


@pytest.mark.parametrize(
    "text", ["A A B B", "Ax Bx A B", "A Bx Ax B", "Ax Ay Bx By C C", "Ax B C Bx Cx", "A B C", "Ax Bx Cx", "A A A"]
)
def test_a_class_has_as_many_schedules_as_orders_keep_what_depends(text: str) -> None:
    steps = letters(text)
    order, known = Order(steps), by_hand(steps)
    assert order.count() == len(known)
    assert order.least() == min(known)
    serial = {
        "".join(found) for found in known if all(found.count(s) == 0 or s * found.count(s) in found for s in "ABC")
    }
    assert set(order.serial()) == serial
    assert order.simplest()[2] in known


def test_schedules_that_cannot_be_listed_are_counted() -> None:
    assert Order(letters("A " * 5 + "B " * 5 + "C " * 5)).count() == 756_756


def test_a_pair_is_a_race_unless_a_step_between_orders_it() -> None:
    assert list(Order(letters("Ax Bx")).races()) == [(0, 1)]
    assert list(Order(letters("Ax Ay By Bx")).races()) == [(1, 2)]
    assert list(Order(letters("A B")).races()) == []


def test_a_step_that_wakes_another_session_is_no_race_with_what_that_one_does_next() -> None:
    steps = [Letter(0, "x"), Letter(1, "x", waits=True), Letter(0, "x", woken=1), Letter(1, "x")]
    assert list(Order(steps).races()) == [(0, 1), (1, 2)]


def test_leaving_a_session_that_waits_is_no_preemption() -> None:
    steps = [Letter(0, "x"), Letter(1, "x", waits=True), Letter(0, "x", woken=1), Letter(1, "x")]
    assert Order(steps).simplest() == (1, 1, "ABAB")
