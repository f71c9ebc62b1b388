"""Databases with a set's indexes, built with as little repetition as can be.

Inverted indexes take most of the building time and several sets hold the same one. Such an index is built once,
in a database of its own that the sets which hold it are cloned from: a clone is a copy of the files, so the index
is the same one, page by page.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

from psycopg import sql

from inboxbench.bench.sets.indexset import Built, BuiltIndex, Index, IndexSet, build, located
from inboxbench.bench.sets.members import add_statistics, drop_indexes, set_settings
from inboxbench.bench.sets.template import Relation, analyse, analyse_expressions
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.server import Server

Announce = Callable[[str], None]
Key = tuple[str, str, bool]

_EXPRESSIONS = """
    SELECT DISTINCT n.nspname, t.relname
    FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE x.indexprs IS NOT NULL AND x.indexrelid = ANY (%s::oid[]) ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class _Base:
    """A database that holds some inverted indexes. key: of those it was made for; `cost_s`: what they took, their
    statistics included."""

    name: str
    key: frozenset[Key] = frozenset()
    built: Built = field(default_factory=Built)
    cost_s: float = 0.0


@dataclass
class _Kept:
    """Builds sets on clones of a template. Use it as a context manager: all that it made is dropped at the end."""

    server: Server
    template: str
    sets: Sequence[IndexSet]
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()


@dataclass
class SetBuilder(_Kept):
    """Builds each set, and what several sets hold only once."""

    _bases: list[_Base] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bases.append(_Base(self.template))

    @contextmanager
    def built(self, chosen: IndexSet, announce: Announce) -> Iterator[tuple[str, Built]]:
        """Yield a database with the set's indexes and its other members, dropped at the end of the block, and what each
        index took, or why it was refused."""
        base = self._base(self._shared(chosen), announce)
        rest = [index for index in chosen.indexes if index.key not in base.key]
        with scratch_database(self.server, "set", base.name) as name:
            with connect(self.server.conninfo(name)) as connection:
                drop_indexes(connection, chosen.members, [part.index.name for part in base.built.indexes])
                own = build(connection, rest, announce)
                refresh_statistics(connection, own, add_statistics(connection, chosen.members))
            built = base.built + own
            set_settings(self.server, name, chosen.members, f"[set.{chosen.name}]")
            ranks = {index.name: rank for rank, index in enumerate(chosen.indexes)}
            yield name, replace(built, indexes=tuple(sorted(built.indexes, key=lambda part: ranks[part.index.name])))

    def _shared(self, chosen: IndexSet) -> list[Index]:
        """Return the set's inverted indexes that another set holds too."""
        held = Counter(index.key for index_set in self.sets for index in index_set.indexes if index.inverted)
        return [index for index in chosen.indexes if held[index.key] > 1]

    def _base(self, wanted: Sequence[Index], announce: Announce) -> _Base:
        """Return the base with exactly these indexes, grown from the one that already has the costliest of them."""
        keys = frozenset(index.key for index in wanted)
        parent = max((base for base in self._bases if base.key <= keys), key=lambda base: base.cost_s)
        missing = [index for index in wanted if index.key not in parent.key]
        if not missing:
            return parent
        name = self._stack.enter_context(scratch_database(self.server, "base", parent.name))
        begun = time.perf_counter()
        with connect(self.server.conninfo(name)) as connection:
            built = build(connection, missing, announce)
            refresh_statistics(connection, built)
        base = _Base(name, keys, parent.built + built, parent.cost_s + time.perf_counter() - begun)
        self._bases.append(base)
        return base


def refresh_statistics(connection: Connection, built: Built, changed: Sequence[Relation] = ()) -> None:
    """An index on an expression has statistics of its own; those of plain columns came with the clone, except of the
    tables that `changed` names."""
    numbers = [located(connection, part.index)[0] for part in built.indexes]
    for table in changed:
        analyse(connection, table)
    for table in connection.execute(_EXPRESSIONS, (numbers,)).fetchall():
        if table not in changed:
            analyse_expressions(connection, table)


@dataclass
class SetPruner(_Kept):
    """Takes the place of a SetBuilder where the first of `sets` holds the indexes of all others."""

    _full: tuple[str, tuple[BuiltIndex, ...]] | None = None

    @contextmanager
    def built(self, chosen: IndexSet, announce: Announce) -> Iterator[tuple[str, Built]]:
        """Yield a database with the set's indexes, dropped at the end of the block, and what each of them took."""
        if self._full is None:
            builder = self._stack.enter_context(SetBuilder(self.server, self.template, self.sets[:1]))
            name, outcome = self._stack.enter_context(builder.built(self.sets[0], announce))
            self._full = name, outcome.required()
        whole, built = self._full
        kept = {index.name for index in chosen.indexes}
        with scratch_database(self.server, "part", whole) as name:
            with connect(self.server.conninfo(name)) as connection:
                for built_index in built:
                    if built_index.index.name not in kept:
                        _number, *name_in_schema = located(connection, built_index.index)
                        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(*name_in_schema)))
            yield name, Built(tuple(built_index for built_index in built if built_index.index.name in kept))
