"""Values of an advice: what statements ask for, candidates, evaluated sets, and the result."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from inboxbench.bench.sets.indexset import Index
from inboxbench.sqltree.commands import Relation

ConditionKind = Literal["equal", "join", "range", "pattern", "search", "contains", "null", "given"]
_LONGEST_NAME = 55  # characters, so that a digest fits into PostgreSQL's 63 bytes


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on one table, its column on the left. expression: SQL without qualifiers; predicate: the whole
    condition where it compares with constants alone, so that an index may be limited to it; pattern: the constant that
    LIKE compares with ("": not known)."""

    kind: ConditionKind
    expression: str
    operator: str = "="
    predicate: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of an order; suffix: DESC and NULLS as they are spelled, or nothing."""

    expression: str
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """The demands of one occurrence of a table in a statement. columns: those that the statement uses (None: all, by a
    star); limited: rows are wanted in this order and not all of them."""

    relation: Relation
    conditions: tuple[Condition, ...] = ()
    order: tuple[Sort, ...] = ()
    group: tuple[str, ...] = ()
    columns: frozenset[str] | None = frozenset()
    limited: bool = False

    def of(self, *kinds: ConditionKind) -> list[Condition]:
        """Return its conditions of these kinds."""
        return [condition for condition in self.conditions if condition.kind in kinds]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An index that may be built. table: as SQL spells it; keys: SQL of each, with operator class and order where they
    are not the usual ones; where: SQL of its predicate; asked_by: names of the queries that ask for it; reason: what it
    comes from, in words; existing: the index as the database has it (None: it is new); width: bytes of an entry, about.
    """

    table: str
    keys: tuple[str, ...]
    method: str = "btree"
    include: tuple[str, ...] = ()
    where: str = ""
    needs: tuple[str, ...] = ()
    asked_by: tuple[str, ...] = ()
    reason: str = ""
    existing: Index | None = None
    width: int = 0
    label: str = ""

    @property
    def definition(self) -> str:
        """Return what follows CREATE INDEX name ON."""
        if self.existing:
            return self.existing.definition
        method = "" if self.method == "btree" else f" USING {self.method}"
        include = f" INCLUDE ({', '.join(self.include)})" if self.include else ""
        where = f" WHERE {self.where}" if self.where else ""
        return f"{self.table}{method} ({', '.join(self.keys)}){include}{where}"

    @property
    def identity(self) -> tuple[object, ...]:
        """Return what two candidates share that are the same index."""
        return self.table, self.method, self.keys, frozenset(self.include), self.where

    @property
    def name(self) -> str:
        """Return the name that it has or gets: table, columns and, where those do not say all, a digest."""
        if self.existing or self.label:
            return self.existing.name if self.existing else self.label
        words = "_".join(re.findall(r"[a-z0-9]+", "_".join([self.table.rpartition(".")[2], *self.keys]).lower()))
        plain = self.method == "btree" and not self.include and not self.where and all(map(_is_column, self.keys))
        if plain and len(words) <= _LONGEST_NAME:
            return f"{words}_idx"
        return self.with_digest(words)

    def with_digest(self, words: str) -> str:
        """Return a name that no other definition has."""
        return f"{words[:_LONGEST_NAME].rstrip('_')}_{hashlib.sha256(self.definition.encode()).hexdigest()[:6]}"

    @property
    def index(self) -> Index:
        """Return it as the index lab builds it."""
        return self.existing or Index(self.name, self.definition, serves=self.asked_by, why=self.reason,
                                      needs=self.needs)  # fmt: skip

    def asked(self, *names: str) -> Candidate:
        """Return it, asked for by these queries, too."""
        return replace(self, asked_by=tuple(dict.fromkeys((*self.asked_by, *names))))


def _is_column(key: str) -> bool:
    return re.fullmatch(r"[a-z_][a-z0-9_$]*", key) is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case under a set. cost: in pages, what it writes included; wal: bytes of WAL that it writes; plan: its steps in
    a line; shape: a digest of them; indexes: by name, that the plan uses; stopped: it took longer than it may, so that
    the cost is a lower bound; failure: why there is no figure."""

    shape: str
    cost: float
    plan: str = ""
    indexes: tuple[str, ...] = ()
    wal: float = 0.0
    seconds: float = 0.0
    stopped: bool = False
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """A set as it came out on the copy. outcomes: by case; sizes: bytes by index; refused: indexes that could not be
    built, and why."""

    candidates: tuple[Candidate, ...]
    outcomes: Mapping[str, Outcome]
    sizes: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())

    def without(self, candidate: Candidate) -> tuple[Candidate, ...]:
        """Return its candidates without one."""
        return tuple(other for other in self.candidates if other is not candidate)
