"""What is not as it was: one figure that changed, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["broken", "worse", "better", "note"]
ORDER: tuple[Verdict, ...] = ("broken", "worse", "better", "note")

# What each counter is called, and its unit.
METRICS = {
    "buffers": "pages", "removed": "rows thrown away", "wal": "bytes of WAL", "size": "bytes of indexes",
    "hot": "share of HOT updates", "answer": "rows", "plan": "plan", "cell": "cell", "set": "set", "time": "time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that is not as it was. `where` is query/class/set or write/set; before and after are None where
    there is no figure. Only broken and worse close the gate."""

    verdict: Verdict
    where: str
    metric: str
    before: float | None
    after: float | None
    budget: float
    text: str
    plan_before: str | None = None
    plan_after: str | None = None

    @property
    def query(self) -> str:
        return self.where.partition("/")[0]

    @property
    def factor(self) -> float:
        """How many times as much as before; infinity from nothing."""
        if self.before is None or self.after is None:
            return float("inf") if self.verdict in ("broken", "worse") else 1.0
        return self.after / self.before if self.before else float("inf")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Changes, worst first. `compared`: figures that were held against each other."""

    changes: tuple[Change, ...]
    compared: int

    def of(self, *verdicts: Verdict) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.verdict in verdicts)

    @property
    def closed(self) -> bool:
        return bool(self.of("broken", "worse"))
