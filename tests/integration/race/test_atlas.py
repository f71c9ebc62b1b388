"""The atlas, explored once for all these tests: its counts are the same on every machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inboxbench.database import list_databases
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.project import Project, find_project
from inboxbench.race.atlas import ALL, Cell, find_families, require_claims, run_atlas
from inboxbench.server import Server

FAMILIES = find_families(find_project())

# bad, feasible, aborted, deadlocked
GOLDEN = Path(__file__).with_name("atlas.golden.json")

# The lock of these is what makes them safe, so somebody has to wait for it in some schedule.
LOCKING = {
    ("assign", "for-update"),
    ("assign", "for-no-key-update"),
    ("assign", "advisory"),
    ("limit", "write-then-count"),
    ("hand over", "for-update"),
    ("first_reply", "lock-then-read"),
    ("waiting_since", "lock-first"),
    ("turn", "least-loaded-locked"),
    ("team", "whole-row-locked"),
}


@pytest.fixture(scope="module")
def cells(server: Server, project: Project) -> list[Cell]:
    return run_atlas(server, project)


def test_the_counts_are_the_known_ones(cells: list[Cell]) -> None:
    """P1.2, and every other rule of the atlas: bad / feasible, aborts and deadlocks of each cell."""
    found = {
        f"{cell.family} / {cell.entry} / {cell.level}": [
            cell.exploration.bad,
            cell.exploration.schedules,
            cell.exploration.aborted,
            cell.exploration.deadlocked,
        ]
        for cell in cells
    }
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_nothing_diverged_and_two_sessions_are_played_whole(cells: list[Cell]) -> None:
    bounded = {(family.name, entry.name) for family in FAMILIES for entry in family.entries if entry.preemptions}
    assert [cell for cell in cells if cell.exploration.diverged] == []
    assert {(cell.family, cell.entry) for cell in cells if not cell.exploration.complete} == bounded


def test_every_entry_is_what_it_claims(cells: list[Cell]) -> None:
    require_claims(cells)


def test_every_mutant_fails_where_its_original_is_safe(cells: list[Cell]) -> None:
    """Without its guard the same code is caught: the guard is what keeps it safe, and the explorer sees it."""
    bad = {(cell.family, cell.entry): cell.exploration.bad for cell in cells if cell.level == "rc"}
    pairs = [(family.name, entry.name, entry.mutant) for family in FAMILIES for entry in family.entries if entry.mutant]
    assert len(pairs) > 30
    assert [pair for pair in pairs if bad[pair[0], pair[1]] != 0] == []
    assert [pair for pair in pairs if bad[pair[0], str(pair[2])] == 0] == []


def test_every_safe_strategy_has_a_mutant() -> None:
    """Safe at READ COMMITTED: by a guard, and an entry without it is named. Only above: by the level itself."""
    entries = [(family, entry) for family in FAMILIES for entry in family.entries]
    guarded = [(family.name, entry.name) for family, entry in entries if "rc" in entry.safe and entry.mutant is None]
    assert guarded == []
    named = [(family.name, entry.mutant) for family, entry in entries if entry.mutant]
    assert [pair for pair in named if pair not in {(family.name, entry.name) for family, entry in entries}] == []


def test_what_a_level_alone_makes_safe_fails_below_it(cells: list[Cell]) -> None:
    """The other kind of mutant: the same code one level down."""
    bad = {(cell.family, cell.entry, cell.level): cell.exploration.bad for cell in cells}
    levels = [
        (family.name, entry.name, ALL[ALL.index(entry.safe[0]) - 1])
        for family in FAMILIES
        for entry in family.entries
        if entry.safe and "rc" not in entry.safe
    ]
    assert len(levels) > 20
    assert [where for where in levels if bad[where] == 0] == []


def test_every_cell_has_sessions_that_overlap(cells: list[Cell]) -> None:
    assert [(cell.family, cell.entry) for cell in cells if cell.exploration.vacuous] == []


def test_locks_block_and_serializable_aborts_somewhere(cells: list[Cell]) -> None:
    """A locking entry in which nobody ever waits, or a level that never refuses, would have proved nothing."""
    waited = {(cell.family, cell.entry) for cell in cells if cell.exploration.waited}
    assert waited >= LOCKING
    naive = [cell for cell in cells if cell.entry in ("naive", "count", "max-plus-one") and cell.level == "ser"]
    assert all(cell.exploration.aborted for cell in naive)
    assert len(naive) == 4


def test_a_cell_that_is_not_as_claimed_passes_the_threshold(server: Server, project: Project) -> None:
    cells = run_atlas(server, project, names=["assign"], levels=["rc"])
    naive = next(cell for cell in cells if cell.entry == "naive")
    pretending = Cell(naive.family, naive.entry, naive.level, True, naive.exploration)
    with pytest.raises(ThresholdExceeded, match="assign / naive at rc claims to be safe, but 12 of 14"):
        require_claims([pretending])


def test_an_unknown_family_is_named(project: Project) -> None:
    with pytest.raises(UsageError, match="did you mean 'limit'"):
        find_families(project, ["limits"])


def test_the_atlas_leaves_nothing(server: Server, cells: list[Cell]) -> None:
    assert cells
    assert [info.name for info in list_databases(server) if "atlas" in info.name] == []
