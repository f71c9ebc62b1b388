"""Drop-one: every index of a set removed in turn; then all that nothing missed removed at once.

The second step is needed because two indexes can stand in for each other: without either nothing changes, without
both everything does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from inboxbench import units
from inboxbench.bench.model import Cell, Matrix, Pair, SetResult
from inboxbench.bench.request import TIMEOUT_S, Progress
from inboxbench.bench.run import run_matrix
from inboxbench.bench.sets.builder import SetPruner
from inboxbench.bench.sets.indexset import BuiltIndex, Index, IndexSet
from inboxbench.bench.workload.writes import WriteCost
from inboxbench.project import Project
from inboxbench.record import rounded
from inboxbench.report.document import Lab
from inboxbench.report.table import Cell as Shown
from inboxbench.report.table import Row, Table, Tone, figures, words
from inboxbench.server import Server

Word = Literal["needed", "harmful", "redundant", "unused"]

# Counters are exact, but a page more or less decides nothing: a read has changed when it is this many times more.
CHANGED = 1.1
# To be called better without an index, a read must also save this many buffers: two are the way down another tree.
FEW = 3
# Writes share pages with their neighbours in time: less than this is no finding.
WRITE_CHANGED = 1.5


@dataclass(frozen=True, slots=True)
class Change(Pair):
    """A case with the whole set and without the removed indexes; `after.plan` is None when it is stopped then."""

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
        return sum(index.bytes for index in self.removed)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(built.index.name for built in self.removed)

    @property
    def loses(self) -> list[Change]:
        """Return reads that cost more without, the worst first."""
        losing = [change for change in self.changes if change.ratio >= CHANGED]
        return sorted(losing, key=lambda change: change.ratio, reverse=True)

    @property
    def gains(self) -> list[Change]:
        """Return reads that cost less without: the planner was lured, the best first."""
        gaining = [change for change in self.changes if change.ratio * CHANGED <= 1 and change.fewer >= FEW]
        return sorted(gaining, key=lambda change: change.ratio)

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
            "serves": [serves for built in self.removed for serves in built.index.serves],
            "used_by": list(self.used_by),
            "loses": [change.to_json() for change in self.loses],
            "gains": [change.to_json() for change in self.gains],
            "writes": [change.to_json() for change in self.writes],
            "bytes_saved": self.saved,
            "insert_wal_saved": rounded(self.insert_wal),
            "update_wal_saved": rounded(self.update_wal),
        }


def removal(matrix: Matrix, whole: SetResult, part: SetResult) -> Removal:
    """Return what lies between two sets of a matrix, the second a part of the first."""
    kept = {built.index.name for built in part.built}
    removed = tuple(built for built in whole.built if built.index.name not in kept)
    names = {name for built in removed for name in built.names}
    before, after = _cells(matrix, whole), _cells(matrix, part)
    return Removal(
        removed=removed,
        changes=tuple(Change(cell, after[name]) for name, cell in before.items()),
        writes=tuple(WriteChange(*pair) for pair in zip(whole.writes, part.writes, strict=True)),
        used_by=tuple(name for name, cell in before.items() if cell.plan and names & set(cell.plan.indexes)),
        insert_wal=_less(whole.wal_bytes("insert"), part.wal_bytes("insert")),
        update_wal=_less(whole.wal_bytes("update"), part.wal_bytes("update")),
    )


def _cells(matrix: Matrix, result: SetResult) -> dict[str, Cell]:
    return {cell.case.name: cell for cell in matrix.cells if cell.index_set == result.index_set.name}


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else whole - part


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
        return [removal for removal in self.removals if removal.word in words]

    @property
    def ranked(self) -> list[Removal]:
        """Rank what is missed most first, then what is not missed, the largest first."""
        return sorted(self.removals, key=lambda removal: (-_loss(removal), removal.word != "needed", -removal.saved))

    @property
    def headline(self) -> str:
        counts = f"{len(self.called('needed'))} of {len(self.removals)} indexes of {self.index_set.title} are needed"
        told = [
            f"{word}: {', '.join(name for removal in removals for name in removal.names)}"
            for word in _DISPENSABLE
            if (removals := self.called(word))
        ]
        return f"{'; '.join([counts, *told])}."

    @property
    def outlook(self) -> str | None:
        """Return what all dispensable indexes at once come to."""
        if self.together is None:
            return None
        wal = self.together.insert_wal
        written = "" if wal is None else f" and {units.size(max(wal, 0))} of WAL an insert"
        saved = (
            f"Without those {len(self.together.removed)} at once {units.size(self.together.saved)} of disk{written} go"
        )
        if not self.together.loses:
            return f"{saved}; no read gets worse."
        worst = self.together.loses[0]
        ratio = "is not answered in time" if worst.after.plan is None else f"reads {units.times(worst.ratio)} as much"
        return f"{saved}, but they stand in for each other: {worst.before.case.name} {ratio}. Keep one of them."

    def to_json(self) -> dict[str, Any]:
        return {
            "set": self.index_set.name,
            "title": self.index_set.title,
            "profile": self.profile,
            "removals": [removal.to_json() for removal in self.ranked],
            "together": self.together.to_json() if self.together else None,
            "headline": self.headline,
            "outlook": self.outlook,
            "notes": list(self.notes),
        }


def _loss(removal: Removal) -> float:
    return removal.loses[0].ratio if removal.loses else 0.0


def run_ablation(
    server: Server,
    source: str,
    project: Project,
    whole: IndexSet,
    *,
    queries: Sequence[str] | None = None,
    writes: bool = True,
    timeout_s: float = TIMEOUT_S,
    role: str | None = None,
    as_is: bool = False,
    progress: Progress | None = None,
) -> Ablation:
    """Remove the indexes of `whole` in turn, on clones of `source`, which is never written.

    whole: with all its indexes, also where it begins with those of the database. as_is: leave rows where they lie.
    Raises as run_matrix does.
    """
    whole = replace(whole, members=replace(whole.members, on_current=False))

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
            role=role,
            as_is=as_is,
            progress=progress,
            make_builder=SetPruner,
        )
        return matrix, tuple(removal(matrix, matrix.sets[0], part) for part in matrix.sets[1:])

    matrix, removals = compared([_without(whole, [index]) for index in whole.indexes])
    spare = [removal.removed[0].index for removal in removals if removal.word in _DISPENSABLE]
    together = compared([_without(whole, spare)])[1][0] if len(spare) > 1 else None
    return Ablation(whole, matrix.profile, removals, together, matrix.failures, (*matrix.caveats, *matrix.notes))


def _without(whole: IndexSet, removed: Sequence[Index]) -> IndexSet:
    names = {index.name for index in removed}
    label = removed[0].name if len(removed) == 1 else f"{len(removed)} indexes"
    return replace(
        whole,
        name=f"{whole.name} without {label}",
        title=f"{whole.title} without {label}",
        indexes=tuple(index for index in whole.indexes if index.name not in names),
    )


_TONES: dict[str, Tone] = {"harmful": "bad", "redundant": "weak", "unused": "weak"}


def drop_one_lab(document: Mapping[str, Any]) -> Lab:
    """Return the tables and sentences of what `inboxbench bench drop-one` wrote."""
    sets = document["drop_one"]
    return Lab(
        "drop-one",
        "Each index removed in turn",
        "Judged by the queries and writes that were measured alone. Disk and WAL: what goes with the index.",
        [_table(found) for found in sets],
        [line for found in sets for line in (found["headline"], found["outlook"]) if line],
        [note for found in sets for note in found["notes"]],
    )


def _table(found: Mapping[str, Any]) -> Table:
    columns = [
        *words("index", "verdict", "what loses (buffers)", "what gains"),
        *figures(_change, "WAL/insert", "WAL/update", "disk"),
    ]
    title = f"{found['title'] or found['set']}: without each index in turn, the most missed first"
    return Table(title, columns, [_row(part) for part in found["removals"]])


def _row(part: Mapping[str, Any]) -> Row:
    word = Shown(part["verdict"], _TONES.get(part["verdict"], ""))
    saved = (part["insert_wal_saved"], part["update_wal_saved"], part["bytes_saved"])
    serves = f"it is there for {', '.join(part['serves'])}" if part["serves"] else ""
    return Row([part["indexes"][0], word, _loses(part), _most(part["gains"]), *saved], note=serves)


def _loses(part: Mapping[str, Any]) -> str:
    """Return the read that loses most, else the write that reads most more: an index may serve what a write looks
    up."""
    if part["loses"]:
        return _most(part["loses"])
    if part["verdict"] != "needed":
        return f"nothing; it is there for {', '.join(part['serves']) or 'no reason given'}"
    known = [write for write in part["writes"] if write["buffers_before"] and write["buffers_after"]]
    worst = max(known, key=lambda write: float(write["buffers_after"] / write["buffers_before"]), default=None)
    if worst is None:
        return units.DASH
    return f"{worst['name']} {units.number(worst['buffers_before'])} → {units.number(worst['buffers_after'])}"


def _most(changed: Sequence[Mapping[str, Any]]) -> str:
    if not changed:
        return ""
    change, more = changed[0], f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    after = units.number(change["after"]) if change["after"] is not None else "stopped"
    ratio = f" ({units.times(change['ratio'])})" if change["ratio"] else ""
    return f"{change['query']} [{change['class']}] {units.number(change['before'])} → {after}{ratio}{more}"


def _change(saved: float | None) -> str:
    """Return bytes saved as a change: what is less has a minus."""
    if saved is None or round(saved) == 0:
        return units.DASH if saved is None else "0 B"
    return f"{'−' if saved > 0 else '+'}{units.size(abs(saved))}"
