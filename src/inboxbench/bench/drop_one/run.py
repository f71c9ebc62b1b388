"""Drop-one: every index of a set removed in turn; then all that nothing missed removed at once.

The second step is needed because two indexes can stand in for each other: without either nothing changes, without
both everything does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from inboxbench.bench.drop_one.result import Removal, Word, removal
from inboxbench.bench.model import Matrix
from inboxbench.bench.request import TIMEOUT_S, Progress
from inboxbench.bench.run import run_matrix
from inboxbench.bench.sets.builder import SetPruner
from inboxbench.bench.sets.indexset import Index, IndexSet
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.units import size, times

_DISPENSABLE: tuple[Word, ...] = ("harmful", "redundant", "unused")


@dataclass(frozen=True, slots=True)
class Ablation:
    """`removals`: one for each index of the set, in the set's order; `together`: all dispensable ones at once (None:
    there are fewer than two). A verdict knows the measured reads and writes, nothing else."""

    index_set: IndexSet
    profile: str
    removals: tuple[Removal, ...]
    together: Removal | None
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def called(self, *words: Word) -> list[Removal]:
        return [one for one in self.removals if one.word in words]

    @property
    def ranked(self) -> list[Removal]:
        """What is missed most comes first; then what is not missed, the largest first."""
        return sorted(self.removals, key=lambda one: (-_loss(one), one.word != "needed", -one.saved))

    @property
    def headline(self) -> str:
        counts = f"{len(self.called('needed'))} of {len(self.removals)} indexes of {self.index_set.title} are needed"
        told = [
            f"{word}: {', '.join(name for one in found for name in one.names)}"
            for word in _DISPENSABLE
            if (found := self.called(word))
        ]
        return f"{'; '.join([counts, *told])}."

    @property
    def outlook(self) -> str | None:
        """What all dispensable indexes at once come to."""
        if self.together is None:
            return None
        wal = self.together.insert_wal
        written = "" if wal is None else f" and {size(max(wal, 0))} of WAL a message insert"
        saved = f"Without those {len(self.together.removed)} at once {size(self.together.saved)} of disk{written} go"
        if not self.together.loses:
            return f"{saved}; no read gets worse."
        worst = self.together.loses[0]
        ratio = "is not answered in time" if worst.after.plan is None else f"reads {times(worst.ratio)} as much"
        return f"{saved}, but they stand in for each other: {worst.before.case.name} {ratio}. Keep one of them."

    def to_json(self) -> dict[str, Any]:
        return {
            "set": self.index_set.name,
            "title": self.index_set.title,
            "profile": self.profile,
            "removals": [one.to_json() for one in self.ranked],
            "together": self.together.to_json() if self.together else None,
            "headline": self.headline,
            "outlook": self.outlook,
            "notes": list(self.notes),
        }


def _loss(one: Removal) -> float:
    return one.loses[0].ratio if one.loses else 0.0


def run_ablation(
    server: Server,
    source: str,
    project: Project,
    whole: IndexSet,
    *,
    queries: Sequence[str] | None = None,
    writes: bool = True,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
) -> Ablation:
    """Remove the indexes of `whole` in turn, on clones of `source`, which is never written.

    Raises as run_matrix does.
    """

    def compared(parts: Sequence[IndexSet]) -> tuple[Matrix, tuple[Removal, ...]]:
        matrix = run_matrix(
            server,
            source,
            project,
            sets=[whole, *parts],
            queries=queries,
            writes=writes,
            rounds=1,
            timeout_s=timeout_s,
            progress=progress,
            make_builder=SetPruner,
        )
        return matrix, tuple(removal(matrix, matrix.sets[0], part) for part in matrix.sets[1:])

    matrix, removals = compared([_without(whole, [index]) for index in whole.indexes])
    spare = [one.removed[0].index for one in removals if one.word in _DISPENSABLE]
    together = compared([_without(whole, spare)])[1][0] if len(spare) > 1 else None
    return Ablation(whole, matrix.profile, removals, together, matrix.failures, matrix.notes)


def _without(whole: IndexSet, removed: Sequence[Index]) -> IndexSet:
    names = {index.name for index in removed}
    label = removed[0].name if len(removed) == 1 else f"{len(removed)} indexes"
    return replace(
        whole,
        name=f"{whole.name} without {label}",
        title=f"{whole.title} without {label}",
        indexes=tuple(index for index in whole.indexes if index.name not in names),
    )
