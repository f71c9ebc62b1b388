"""Freshness decay: every read again after a declared churn without VACUUM, and again after VACUUM.

A set is judged fresh: frozen rows, every page all-visible, not one dead index entry. Writes take that away: index-only
scans go to the table again, entries of dead rows are stepped over, a search index parks new entries in a list. What
VACUUM gives back and what it does not is the difference between the second figure and the third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import geometric_mean
from typing import Any

from inboxbench import units
from inboxbench.bench.execute.cell import Reading, read_case
from inboxbench.bench.execute.session import Probes, open_probe
from inboxbench.bench.execute.ties import Judgement, judge
from inboxbench.bench.model import require_built, require_none
from inboxbench.bench.request import (
    TIMEOUT_S,
    Progress,
    Request,
    Sets,
    Steps,
    index_bytes,
    prepared_request,
    settle,
    titled,
)
from inboxbench.bench.sets.builder import Announce, SetBuilder
from inboxbench.bench.sets.indexset import IndexSet, kept
from inboxbench.bench.sets.template import hold_still, vacuum
from inboxbench.bench.workload.churn import Churn, inflict
from inboxbench.bench.workload.queries import Case
from inboxbench.bench.workload.writes import Updates
from inboxbench.database import connect
from inboxbench.disturbance import Watch, disturbance, undisturbed, watching
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.record import rounded
from inboxbench.server import Server

_OTHER = "other rows after VACUUM than before it"
# Settings by which the rows of a query come from its tables alone, whatever indexes there are.
_TABLES_ALONE = {"enable_indexscan": "off", "enable_indexonlyscan": "off", "enable_bitmapscan": "off"}


@dataclass(frozen=True, slots=True)
class DecayedCell:
    """One case under one set, in three states of the same database. judged: what is right where its rows are others
    after VACUUM than before it."""

    case: Case
    index_set: str
    fresh: Reading
    churned: Reading
    vacuumed: Reading
    judged: Judgement | None = None

    @property
    def name(self) -> str:
        return f"{self.case.name} under {self.index_set}"

    @property
    def ratio(self) -> float | None:
        """Return buffers after the churn to those of the fresh copy."""
        return _ratio(self.churned, self.fresh)

    @property
    def left(self) -> float | None:
        """Return buffers after VACUUM to those of the fresh copy: what is left, for there are more rows now, or for
        good."""
        return _ratio(self.vacuumed, self.fresh)

    @property
    def failure(self) -> str | None:
        """Return a query that fails, or whose rows VACUUM changes; being stopped is a finding and no failure."""
        for reading in (self.fresh, self.churned, self.vacuumed):
            if reading.failure and not reading.stopped:
                return reading.failure
        if self.judged is None or self.judged.said == "either":
            return None
        unsure = self.judged.said == "unsure"
        return _OTHER + (f", and it cannot be decided whether both are right: {self.judged.words}" if unsure else "")

    @property
    def ties(self) -> str | None:
        """Return why other rows after VACUUM are right as well; None where there are none."""
        return self.judged.words if self.judged and self.judged.said == "either" else None

    @property
    def flips(self) -> tuple[str, ...]:
        """Say where the plan changed, although no statistics were collected."""
        pairs = (("after the churn", self.fresh, self.churned), ("after VACUUM", self.churned, self.vacuumed))
        return tuple(
            f"{self.name}, {when}: {later.plan} instead of {earlier.plan}"
            for when, earlier, later in pairs
            if earlier.plan and later.plan and earlier.plan != later.plan
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "query": self.case.query.name,
            "class": self.case.parameter_class.name,
            "set": self.index_set,
            "fresh": self.fresh.to_json(),
            "churned": self.churned.to_json(),
            "vacuumed": self.vacuumed.to_json(),
            "ratio": rounded(self.ratio, 3),
            "ratio_after_vacuum": rounded(self.left, 3),
            "flips": list(self.flips),
            "ties": self.ties,
            "failure": self.failure,
        }


@dataclass(frozen=True, slots=True)
class DecayedSet:
    """Holds what the churn did to a set: its row updates, and the bytes of all indexes before and after."""

    index_set: IndexSet
    updates: Updates
    fresh_bytes: int
    churned_bytes: int
    disturbed: str | None = None

    @property
    def note(self) -> str | None:
        """Return what is to be said of its figures: whose transaction kept the dead rows of the churn alive."""
        return disturbance(f"the churn under {self.index_set.title}", self.disturbed)


@dataclass(frozen=True, slots=True)
class Decay:
    """`cells` in the order they were read."""

    profile: str
    churn: Churn
    sets: tuple[DecayedSet, ...]
    cells: tuple[DecayedCell, ...]
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def worst_first(self) -> list[DecayedCell]:
        """Cells without a ratio (stopped, failed) come before all others."""
        return sorted(self.cells, key=lambda cell: float("inf") if cell.ratio is None else cell.ratio, reverse=True)

    @property
    def flips(self) -> tuple[str, ...]:
        return tuple(flip for cell in self.cells for flip in cell.flips)

    def of(self, index_set: str) -> list[DecayedCell]:
        """The cells of a set that have figures in all three states."""
        return [cell for cell in self.cells if cell.index_set == index_set and cell.ratio and cell.left]

    def mean(self, index_set: str) -> tuple[float, float] | None:
        """Geometric means of the ratios of a set: after the churn, after VACUUM."""
        cells = self.of(index_set)
        if not cells:
            return None
        return geometric_mean(cell.ratio or 1 for cell in cells), geometric_mean(cell.left or 1 for cell in cells)

    @property
    def headline(self) -> str:
        known = [cell for cell in self.worst_first if cell.ratio is not None and cell.left is not None]
        if not known:
            return "No query could be read in all three states."
        worst = known[0]
        return (
            f"After {self.churn}, {worst.name} reads {units.times(worst.ratio or 1)} as many buffers as fresh "
            f"({worst.fresh.buffers:,} → {worst.churned.buffers:,}); after VACUUM {units.times(worst.left or 1)} "
            f"({worst.vacuumed.buffers:,})."
        )

    def require_sound(self) -> None:
        """Raises SubjectFailed when a cell failed: to be called when everything has been shown."""
        require_none([f"{cell.name}: {cell.failure}" for cell in self.cells if cell.failure])
        require_built(self.refused)

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "churn": dict(self.churn.counts),
            "sets": [self._set_json(decayed) for decayed in self.sets],
            "cells": [cell.to_json() for cell in self.worst_first],
            "flips": list(self.flips),
            "headline": self.headline,
            "notes": list(self.notes),
        }

    def _set_json(self, decayed: DecayedSet) -> dict[str, Any]:
        means = self.mean(decayed.index_set.name)
        return {
            "name": decayed.index_set.name,
            "title": decayed.index_set.title,
            "mean_ratio": rounded(means[0], 3) if means else None,
            "mean_ratio_after_vacuum": rounded(means[1], 3) if means else None,
            "rows_updated": decayed.updates.rows,
            "hot_share": rounded(decayed.updates.hot_share, 4),
            "bytes_fresh": decayed.fresh_bytes,
            "bytes_churned": decayed.churned_bytes,
        }


def _ratio(later: Reading, fresh: Reading) -> float | None:
    if later.buffers is None or fresh.buffers is None:
        return None
    return max(later.buffers, 1) / max(fresh.buffers, 1)


def run_decay(
    server: Server,
    source: str,
    project: Project,
    churn: Churn,
    *,
    sets: Sets | None = None,
    queries: Sequence[str] | None = None,
    timeout_s: float = TIMEOUT_S,
    role: str | None = None,
    as_is: bool = False,
    progress: Progress | None = None,
) -> Decay:
    """Read fresh, after `churn` and after VACUUM, each set on its own clone of `source`, which is never written.

    as_is: leave rows where they lie. Raises as run_matrix does; SubjectFailed when a write of the churn fails.
    """
    with prepared_request(
        server,
        source,
        project,
        sets=sets,
        queries=queries,
        timeout_s=timeout_s,
        role=role,
        as_is=as_is,
        lenient=True,
        progress=progress,
    ) as request:
        steps = 3 * request.cells + sum(len(index_set.indexes) + 2 for index_set in request.sets)
        with SetBuilder(server, request.template, request.sets) as builder, watching(server) as watch:
            run = _DecayRun(server, request, churn, Steps(steps, progress), watch)
            outcomes = [outcome for index_set in request.sets if (outcome := run.undisturbed(builder, index_set))]
    refused = tuple(dict.fromkeys(run.refused))
    if not outcomes:
        raise UsageError(refused[0])
    sets, cells = zip(*outcomes, strict=True)
    measured = tuple(chain.from_iterable(cells))
    notes = (*request.caveats, *request.notes, *refused, *(decayed.note for decayed in sets if decayed.note))
    notes += tuple(f"{cell.name}: {_OTHER}, and any is right, for {cell.ties}" for cell in measured if cell.ties)
    return Decay(request.profile, churn, sets, measured, notes, (*request.refused, *refused))


@dataclass(frozen=True, slots=True)
class _DecayRun:
    """Takes one set after the other through the three states: fresh, after the churn, after VACUUM."""

    server: Server
    request: Request
    churn: Churn
    steps: Steps
    watch: Watch
    refused: list[str] = field(default_factory=list)

    def undisturbed(self, builder: SetBuilder, index_set: IndexSet) -> tuple[DecayedSet, list[DecayedCell]] | None:
        """Return a set's states, of another time where somebody's transaction kept dead rows alive during the first."""
        return undisturbed(self.watch, lambda: self.decay(builder, index_set))

    def decay(self, builder: SetBuilder, chosen: IndexSet) -> tuple[DecayedSet, list[DecayedCell]] | None:
        """Return None for a set that the rows do not take, which `refused` then names."""
        with builder.built(chosen, titled(self.steps, chosen, "building ")) as (name, built):
            index_set = kept(chosen, built, self.refused, self.request.current)
            if index_set is None:
                return None
            cases = self.request.cases(index_set)
            fresh_bytes = settle(self.server, name)
            fresh = self._read(name, cases, titled(self.steps, index_set, "fresh: "))
            self.steps(f"{index_set.title}: {self.churn}")
            done, churned_bytes = self._churn(name)
            churned = self._read(name, cases, titled(self.steps, index_set, "after churn: "))
            self.steps(f"{index_set.title}: VACUUM")
            self._vacuum(name)
            vacuumed = self._read(name, cases, titled(self.steps, index_set, "after VACUUM: "))
            judged = [self._judged(name, *three) for three in zip(cases, churned, vacuumed, strict=True)]
        cells = [
            DecayedCell(case, index_set.name, first, second, third, said)
            for case, first, second, third, said in zip(cases, fresh, churned, vacuumed, judged, strict=True)
        ]
        return DecayedSet(index_set, done, fresh_bytes, churned_bytes, self.watch.in_the_way), cells

    def _judged(self, name: str, case: Case, before: Reading, after: Reading) -> Judgement | None:
        """Say which of two answers over the same rows is right; None where they are the same, or one is missing."""
        if before.kept is None or after.kept is None or before.answer == after.answer:
            return None
        settings, role = {**case.query.settings, **_TABLES_ALONE}, case.query.role or self.request.role
        timeout_s = self.request.timeout_s
        with open_probe(self.server, name, timeout_s=timeout_s, role=role, settings=settings) as truth:
            return judge(truth, case, before.kept, after.kept)

    def _churn(self, name: str) -> tuple[Updates, int]:
        """Count what was updated, and the bytes of all indexes afterwards."""
        with connect(self.server.conninfo(name)) as connection:
            hold_still(connection)
            done = inflict(connection, self.churn, self.request.writes, self.request.targets, self.watch)
            return done, index_bytes(connection)

    def _vacuum(self, name: str) -> None:
        with connect(self.server.conninfo(name)) as connection:
            vacuum(connection)

    def _read(self, name: str, cases: Sequence[Case], announce: Announce) -> list[Reading]:
        """Every case in the order of the workload, which is part of the protocol: a read tidies up for the next one."""
        readings = []
        with Probes(self.server, name, self.request.timeout_s, self.request.role) as probes:
            for case in cases:
                announce(case.name)
                readings.append(read_case(probes.of(case.query), case))
        return readings
