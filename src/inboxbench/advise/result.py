"""The advice as a value: the set, what each index is worth, what goes, what each query costs before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from inboxbench.advise.model import Candidate, Trial
from inboxbench.advise.objective import Objective

# A query that costs this many times more is named as one that loses.
LOSES = 1.2
Stopped = Literal["", "time budget", "interrupted"]


@dataclass(frozen=True, slots=True)
class Standing:
    """A set in figures. cost: of a request of the mix, in pages; bytes: of all its secondary indexes; wal: bytes of a
    mean write (None: nothing writes)."""

    indexes: int
    cost: float
    bytes: int
    wal: float | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """An index of the advised set. new: the database does not have it; worth: share by which a request costs more
    without it (None: there was no time to measure that); used_by: queries whose plans use it; needs: extensions."""

    name: str
    definition: str
    new: bool
    bytes: int
    worth: float | None
    reason: str
    asked_by: tuple[str, ...]
    used_by: tuple[str, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """An index that the database has and that the set does without. why: as the search found it."""

    name: str
    definition: str
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class QueryChange:
    """A query under the present indexes and the advised ones. before, now: its cost in pages; before_ms, now_ms:
    milliseconds of processor of one execution of each class (None: not checked)."""

    name: str
    share: float
    before: float
    now: float
    before_ms: float | None = None
    now_ms: float | None = None

    @property
    def ratio(self) -> float:
        """Return the cost now over that before."""
        return self.now / self.before

    @property
    def loses(self) -> bool:
        """Return whether it costs over LOSES times as much, in pages or by the processor where that was measured."""
        slower = self.before_ms is not None and self.now_ms is not None and self.now_ms > LOSES * self.before_ms + 1
        return self.ratio > LOSES or slower


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that is not in the set, and why."""

    name: str
    definition: str
    why: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The result. nothing: without any secondary index; present: with those that the database has; advised: with the
    set. clock: whose time the check of the processor took ("": it was not made). stopped: what ended the search before
    its end. keep: what stays whatever it costs. tried: sets; built: indexes; executed: statements; reused: sets of
    earlier runs."""

    profile: str
    mix: str
    nothing: Standing
    present: Standing
    advised: Standing
    indexes: tuple[Chosen, ...]
    dropped: tuple[Dropped, ...]
    queries: tuple[QueryChange, ...]
    refused: tuple[Refused, ...]
    keep: str = "unique"
    clock: str = ""
    stopped: Stopped = ""
    tried: int = 0
    built: int = 0
    executed: int = 0
    reused: int = 0
    seconds: float = 0.0
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    caveats: tuple[str, ...] = field(default=())

    @property
    def added(self) -> list[Chosen]:
        """Return the indexes that have to be built."""
        return [index for index in self.indexes if index.new]

    @property
    def losers(self) -> list[QueryChange]:
        """Return the queries that lose, the one that loses most first."""
        return sorted((query for query in self.queries if query.loses), key=lambda query: -query.ratio)

    @property
    def changes(self) -> bool:
        """Return whether there is anything to migrate."""
        return bool(self.added or self.dropped)


def standing(trial: Trial, objective: Objective) -> Standing:
    """Return the figures of a set."""
    return Standing(len(trial.candidates), objective.cost(trial), trial.bytes, objective.wal(trial))


def chosen_indexes(best: Trial, objective: Objective, worths: Mapping[str, float]) -> tuple[Chosen, ...]:
    """Return the indexes of the set, the most missed first. worths: pages more without each, as far as known."""
    cost = objective.cost(best)
    chosen = [_chosen(candidate, best, objective, worths, cost) for candidate in best.candidates]
    return tuple(sorted(chosen, key=lambda index: (-(index.worth or 0.0), index.name)))


def _chosen(
    candidate: Candidate, best: Trial, objective: Objective, worths: Mapping[str, float], cost: float
) -> Chosen:
    used = [case.query.name for case in objective.cases if candidate.name in best.outcomes[case.name].indexes]
    worth = worths.get(candidate.name)
    return Chosen(
        candidate.name,
        candidate.definition,
        candidate.existing is None,
        best.sizes[candidate.name],
        None if worth is None else worth / cost,
        candidate.reason,
        candidate.asked_by,
        tuple(dict.fromkeys(used)),
        candidate.needs,
    )


def query_changes(before: Trial, now: Trial, objective: Objective) -> tuple[QueryChange, ...]:
    """Return every query, that which gains most for the mix first."""
    old, new, shares = objective.by_query(before), objective.by_query(now), objective.shares
    changes = [QueryChange(name, shares[name], old[name], new[name]) for name in old]
    return tuple(sorted(changes, key=lambda change: (change.share * (change.now - change.before), change.name)))


def checked(changes: Sequence[QueryChange], times: Mapping[str, tuple[float, ...]]) -> tuple[QueryChange, ...]:
    """Return the queries with their milliseconds before and now, where they were measured."""
    return tuple(
        replace(change, before_ms=times[change.name][0], now_ms=times[change.name][1])
        if change.name in times
        else change
        for change in changes
    )
