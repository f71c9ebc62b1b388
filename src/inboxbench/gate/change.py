"""What a comparison finds: changes, the worst first, and how many figures were held against each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# broken: it fails or answers otherwise. uncompared: a figure on one side has none on the other to be held against.
Verdict = Literal["broken", "worse", "uncompared", "better", "note"]
ORDER: tuple[Verdict, ...] = ("broken", "worse", "uncompared", "better", "note")
CLOSING: tuple[Verdict, ...] = ("broken", "worse", "uncompared")

# What each counter is called, and its unit.
METRICS = {
    "buffers": "pages", "removed": "rows thrown away", "wal": "bytes of WAL", "size": "bytes of indexes",
    "hot": "share of HOT updates", "calls": "calls a write", "answer": "rows", "plan": "plan", "cell": "cell",
    "set": "set", "rule": "rule", "time": "time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that is not as it was. `where` is query/class/set, write/set or relation/rule; before and after are
    None where there is no figure. new: head alone has it."""

    verdict: Verdict
    where: str
    metric: str
    before: float | None
    after: float | None
    budget: float
    text: str
    plan_before: str | None = None
    plan_after: str | None = None
    new: bool = False

    @property
    def query(self) -> str:
        return self.where.partition("/")[0]

    @property
    def factor(self) -> float:
        """How many times as much as before; infinity from nothing."""
        if self.before is None or self.after is None:
            return float("inf") if self.verdict in CLOSING else 1.0
        return self.after / self.before if self.before else float("inf")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Changes, worst first. `compared`: figures and rules that were held against each other."""

    changes: tuple[Change, ...]
    compared: int

    def of(self, *verdicts: Verdict) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.verdict in verdicts)

    @property
    def closed(self) -> bool:
        return bool(self.of(*CLOSING))


def ranked(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Return the changes, the worst first."""
    return tuple(sorted(changes, key=_rank))


def _rank(change: Change) -> tuple[int, bool, float, str]:
    """Pages before rows thrown away, which often come from nothing."""
    return ORDER.index(change.verdict), change.metric == "removed", -change.factor, change.where


def note(where: str, metric: str, text: str) -> Change:
    return Change("note", where, metric, None, None, 1.0, text)


def uncompared(where: str, metric: str, why: str, *, new: bool = False) -> Change:
    """A figure that has nothing to be compared with. new: head alone has it."""
    return Change("uncompared", where, metric, None, None, 1.0, f"not compared: {why}", new=new)
