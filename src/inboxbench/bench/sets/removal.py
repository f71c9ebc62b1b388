"""Databases with parts of one set, for removing its indexes in turn: the set is built once, each part is a clone with
DROP INDEX. What is left is the same, page by page, so that a difference comes from the removed index alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from psycopg import sql

from inboxbench.bench.sets.builder import Nursery, Tell
from inboxbench.bench.sets.indexset import BuiltIndex, IndexSet
from inboxbench.database import connect, scratch_database
from inboxbench.server import Server


@dataclass
class Pruner:
    """Use it as a context manager, in place of a Nursery; the first of `sets` holds the indexes of all others."""

    server: Server
    template: str
    sets: Sequence[IndexSet]
    _stack: ExitStack = field(default_factory=ExitStack)
    _full: tuple[str, tuple[BuiltIndex, ...]] | None = None

    def __enter__(self) -> Pruner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @contextmanager
    def planted(self, chosen: IndexSet, tell: Tell) -> Iterator[tuple[str, tuple[BuiltIndex, ...]]]:
        """A database with the set's indexes, dropped at the end of the block, and what each of them took."""
        if self._full is None:
            nursery = self._stack.enter_context(Nursery(self.server, self.template, self.sets[:1]))
            self._full = self._stack.enter_context(nursery.planted(self.sets[0], tell))
        whole, built = self._full
        kept = {index.name for index in chosen.indexes}
        with scratch_database(self.server, "part", whole) as name:
            with connect(self.server.conninfo(name)) as connection:
                for one in built:
                    if one.index.name not in kept:
                        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(one.index.name)))
            yield name, tuple(one for one in built if one.index.name in kept)
