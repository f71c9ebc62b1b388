"""The verdict on a matrix as a value: which set to choose for a mix of requests, and the figures that say so.

`bench/verdict` reaches it and writes it into the record; whatever shows a record reads it from there and decides
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inboxbench.record import as_json


@dataclass(frozen=True, slots=True)
class Shares:
    """A mix of requests: in words, and the share of each query and each write by its name."""

    text: str = ""
    reads: Mapping[str, float] = field(default_factory=dict)
    writes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetCost:
    """What a set costs at the mix.

    Reads (pages) and milliseconds are geometric means over the queries, of the mean and of the worst class of
    parameters. Costs are pages of a mean read, write and request of the mix. lower_bound: cells were stopped, so that
    reads and costs are higher than this. dominated_by: a set that is no worse in any figure that repeats, and better
    in one.
    """

    index_set: str = field(metadata={"json": "set"})
    title: str = ""
    reads_mean: float | None = None
    reads_worst: float | None = None
    ms_mean: float | None = None
    ms_worst: float | None = None
    insert_wal_bytes: float | None = None
    update_wal_bytes: float | None = None
    insert_per_s: float | None = None
    update_per_s: float | None = None
    bytes: float | None = None
    build_s: float | None = None
    hot_share: float | None = None
    read_cost: float | None = None
    write_cost: float | None = None
    cost: float | None = None
    lower_bound: bool = False
    dominated_by: str | None = None
    recommended: bool = False


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From `reads_per_write` reads for a write on, the `reader` costs less than the `leaner`.

    None with `always`: that set costs no more at any number. reads_per_write_by_time: the same by server time of reads
    and the time a write takes on one connection; None where the clock sees no such point. upper_bound: the leaner has
    cells that were stopped, so that the true point lies lower.
    """

    leaner: str
    reader: str
    reads_per_write: float | None = None
    reads_per_write_by_time: float | None = None
    always: str | None = None
    upper_bound: bool = False


@dataclass(frozen=True, slots=True)
class WorstRatio:
    """The cell in which a set reads most times what the chosen one reads (`against`), in buffers."""

    query: str
    parameter_class: str = field(metadata={"json": "class"})
    buffers: int = 0
    against: int = 0
    ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Ratios:
    """A set relative to the chosen one: above 1, the chosen one is better. None: one of the two was not measured."""

    reads: float = 1.0
    lower_bound: bool = False
    families: Mapping[str, float] = field(default_factory=dict)
    insert_wal: float | None = None
    bytes: float = 1.0
    cost: float | None = None
    worst: WorstRatio | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A set that could not be chosen, and why."""

    index_set: str = field(metadata={"json": "set"})
    why: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A query or write whose weight alone decides: `to` would win at `turns_at` of all requests instead of `share`, the
    others keeping their proportions. cost: of its dearest class of parameters under the chosen set (None: a write)."""

    name: str
    share: float = 0.0
    turns_at: float = 0.0
    to: str = ""
    parameter_class: str | None = field(default=None, metadata={"json": "class"})
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which set to choose, by which rule, and why.

    chosen: its name; None when no set answered anything. runner_up: what would be chosen without it. reasons: the most
    general first. costs: of every set that answered something. left_out: sets that could not be chosen.
    not_tried: sets of the catalogue that were not measured, and why. turns: weights of the mix at which another set
    would be chosen. not_measured: what nobody asked for, so that nothing is said about it. baseline: the set to compare
    with, where a record names one.
    """

    chosen: str | None = field(default=None, metadata={"json": "recommended"})
    headline: str = ""
    reasons: Sequence[str] = ()
    ratios: Mapping[str, Ratios] = field(default_factory=dict)
    rule: str = ""
    mix: Shares = field(default_factory=Shares)
    currency: str = ""
    wal_bytes_per_page: float | None = None
    costs: Sequence[SetCost] = field(default=(), metadata={"json": "pareto"})
    break_even: Sequence[BreakEven] = ()
    runner_up: str | None = None
    left_out: Sequence[LeftOut] = ()
    not_tried: Sequence[LeftOut] = ()
    turns: Sequence[Turn] = ()
    not_measured: Sequence[str] = ()
    baseline: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the `verdict` part of run.json."""
        document = {key: value for key, value in as_json(self).items() if key != "baseline"}
        if self.chosen is None:
            return {key: document[key] for key in ("recommended", "headline", "reasons", "ratios")}
        return document | {name: as_json(document[name], digits=4) for name in ("pareto", "break_even")}

    def cost_of(self, index_set: str) -> SetCost | None:
        """Return a set's line; None for a set that answered nothing, and in a record of an older version."""
        return next((row for row in self.costs if row.index_set == index_set), None)

    @property
    def has_writes(self) -> bool:
        """Return whether writes were measured."""
        return any(row.write_cost for row in self.costs)

    @property
    def by_cost(self) -> list[SetCost]:
        """Return the lines, the costliest first."""
        return sorted(self.costs, key=lambda row: -(row.cost or 0.0))
