"""What the server's word about waits is read as."""

from __future__ import annotations

import pytest

from inboxbench.race.explore.monitor import _array, is_cycle


@pytest.mark.parametrize(("text", "pids"), [(b"{}", []), (b"{41}", [41]), (b"{41,42}", [41, 42]), (None, [])])
def test_an_array_of_backends(text: bytes | None, pids: list[int]) -> None:
    assert _array(text) == pids


@pytest.mark.parametrize(
    ("waits", "cycle"),
    [
        ({}, False),
        ({1: {0}}, False),
        ({0: {1}, 1: {0}}, True),
        ({0: {1}, 1: {2}, 2: {0}}, True),
        ({0: {1}, 1: {2}, 3: {0}}, False),
        ({3: {0}, 0: {1, 2}, 2: {0}}, True),  # the session that waits for the cycle is not in it
    ],
)
def test_a_cycle_is_somebody_who_waits_for_itself(waits: dict[int, set[int]], cycle: bool) -> None:
    assert is_cycle(waits) == cycle
