"""What removing indexes changes, as a value: reads that lose, reads that gain, writes, bytes; and a word for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from inboxbench.bench.model import Cell, Matrix, SetResult
from inboxbench.bench.sets.indexset import BuiltIndex
from inboxbench.bench.workload.writes import WriteCost

Word = Literal["needed", "harmful", "redundant", "unused"]

# Counters are exact, but a page more or less decides nothing: a read has changed when it is this many times more.
CHANGED = 1.1
# To be called better without an index, a read must also save this many buffers: two are the way down another tree.
FEW = 3
# Writes share pages with their neighbours in time: less than this is no finding.
WRITE_CHANGED = 1.5


@dataclass(frozen=True, slots=True)
class Change:
    """A case with the whole set and without the removed indexes; `after.plan` is None when it is stopped then."""

    before: Cell
    after: Cell

    @property
    def ratio(self) -> float:
        """Buffers without to buffers with; infinite when there is no answer without, 1 when there never was one."""
        if self.before.plan is None or self.after.plan is None:
            return 0.0 if self.after.plan else 1.0 if self.before.plan is None else float("inf")
        return max(self.after.plan.buffers, 1) / max(self.before.plan.buffers, 1)

    @property
    def fewer(self) -> float:
        """Buffers that are not read without."""
        if self.before.plan is None or self.after.plan is None:
            return float("inf") if self.after.plan else float("-inf")
        return self.before.plan.buffers - self.after.plan.buffers

    def to_json(self) -> dict[str, Any]:
        before, after = self.before.plan, self.after.plan
        return {
            "query": self.before.case.query.name,
            "class": self.before.case.parameter_class.name,
            "before": before.buffers if before else None,
            "after": after.buffers if after else None,
            "ratio": round(self.ratio, 3) if before and after else None,
            "plan_before": before.line if before else self.before.failure,
            "plan_after": after.line if after else self.after.failure,
        }


@dataclass(frozen=True, slots=True)
class WriteChange:
    """One kind of write with the whole set and without the removed indexes."""

    before: WriteCost
    after: WriteCost

    @property
    def loses(self) -> bool:
        """It looks at far more pages without: a rule's own query had used the index."""
        if self.before.buffers is None or self.after.buffers is None:
            return False
        return self.after.buffers > WRITE_CHANGED * self.before.buffers

    def to_json(self) -> dict[str, Any]:
        before, after = self.before.to_json(), self.after.to_json()
        figures = ("wal_bytes", "buffers", "hot_share")
        return {"name": self.before.name} | {
            f"{key}_{when}": found[key] for key in figures for when, found in (("before", before), ("after", after))
        }


@dataclass(frozen=True, slots=True)
class Removal:
    """Indexes of a set taken away at once. `changes`: all cases; used_by: cases whose plan with the whole set names
    one of them; saved: bytes on disk; insert_wal, update_wal: bytes less for each write (None: not measured)."""

    removed: tuple[BuiltIndex, ...]
    changes: tuple[Change, ...]
    writes: tuple[WriteChange, ...]
    used_by: tuple[str, ...]
    insert_wal: float | None
    update_wal: float | None

    @property
    def saved(self) -> int:
        return sum(one.bytes for one in self.removed)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.index.name for one in self.removed)

    @property
    def loses(self) -> list[Change]:
        """Reads that cost more without, the worst first."""
        found = [change for change in self.changes if change.ratio >= CHANGED]
        return sorted(found, key=lambda change: change.ratio, reverse=True)

    @property
    def gains(self) -> list[Change]:
        """Reads that cost less without: the planner was lured, the best first."""
        found = [change for change in self.changes if change.ratio * CHANGED <= 1 and change.fewer >= FEW]
        return sorted(found, key=lambda change: change.ratio)

    @property
    def losing_writes(self) -> list[WriteChange]:
        return [change for change in self.writes if change.loses]

    @property
    def word(self) -> Word:
        """needed: something reads more without; harmful: nothing does, and something reads less; unused: no plan
        names it; redundant: plans do, and others take its place at no cost."""
        if self.loses or self.losing_writes:
            return "needed"
        if self.gains:
            return "harmful"
        return "redundant" if self.used_by else "unused"

    def to_json(self) -> dict[str, Any]:
        return {
            "indexes": list(self.names),
            "verdict": self.word,
            "serves": [serves for one in self.removed for serves in one.index.serves],
            "used_by": list(self.used_by),
            "loses": [change.to_json() for change in self.loses],
            "gains": [change.to_json() for change in self.gains],
            "writes": [change.to_json() for change in self.writes],
            "bytes_saved": self.saved,
            "insert_wal_saved": _rounded(self.insert_wal),
            "update_wal_saved": _rounded(self.update_wal),
        }


def removal(matrix: Matrix, whole: SetResult, part: SetResult) -> Removal:
    """What lies between two sets of a matrix, the second a part of the first."""
    kept = {one.index.name for one in part.built}
    removed = tuple(one for one in whole.built if one.index.name not in kept)
    names = {one.index.name for one in removed}
    before, after = _cells(matrix, whole), _cells(matrix, part)
    return Removal(
        removed=removed,
        changes=tuple(Change(cell, after[name]) for name, cell in before.items()),
        writes=tuple(WriteChange(*pair) for pair in zip(whole.writes, part.writes, strict=True)),
        used_by=tuple(name for name, cell in before.items() if cell.plan and names & set(cell.plan.indexes)),
        insert_wal=_less(whole.wal_bytes("insert"), part.wal_bytes("insert")),
        update_wal=_less(whole.wal_bytes("update"), part.wal_bytes("update")),
    )


def _cells(matrix: Matrix, one: SetResult) -> dict[str, Cell]:
    return {cell.case.name: cell for cell in matrix.cells if cell.index_set == one.index_set.name}


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else whole - part


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
