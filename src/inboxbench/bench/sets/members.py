"""Holds what a set may have besides indexes: indexes dropped, extended statistics, statistics targets, settings and
queries written in another way.

Each is tried in a transaction that is rolled back before anything is built, so that a wrong one is named at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench.bench.sets.template import Relation
from inboxbench.database import Connection, set_on_database, with_names
from inboxbench.database_settings import override
from inboxbench.errors import UsageError, unknown
from inboxbench.server import Server, reason
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

_COLUMN = re.compile(r'(.+)\.("(?:[^"]|"")+"|[^".]+)')
HIGHEST_TARGET = 10_000  # PostgreSQL's own limit


@dataclass(frozen=True, slots=True)
class Statistics:
    """Extended statistics; `definition` is what follows CREATE STATISTICS name."""

    name: str
    definition: str
    why: str = ""

    @property
    def create(self) -> sql.Composed:
        # The owner's own SQL, like the definition of an index.
        return sql.SQL("CREATE STATISTICS {} {}").format(sql.Identifier(self.name), sql.SQL(self.definition))


@dataclass(frozen=True, slots=True)
class Members:
    """Holds what a set has besides its own indexes.

    on_current: it begins with the indexes that the database has; drops: names of those that it takes away; targets:
    of ANALYZE by `table.column`; settings: of its sessions; queries: files of SQL that take the place of a query's, by
    the query's name.
    """

    on_current: bool = False
    drops: tuple[str, ...] = ()
    statistics: tuple[Statistics, ...] = ()
    targets: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is anything that would be measured even without an index of the set's own."""
        return bool(self.drops or self.statistics or self.targets or self.settings or self.queries)

    def sentences(self) -> Iterator[str]:
        """Yield what the members are, for a remark of the result."""
        if self.drops:
            yield f"without {', '.join(self.drops)}"
        yield from (f"CREATE STATISTICS {made.name} {' '.join(made.definition.split())}" for made in self.statistics)
        yield from (f"statistics target {target} for {column}" for column, target in self.targets.items())
        yield from (f"{name} = {value}" for name, value in self.settings.items())
        yield from (f"{Path(file).name} in place of {query}" for query, file in self.queries.items())


def check_members(connection: Connection, members: Members, known: Sequence[str], where: str) -> None:
    """Try each member on `connection`, a template, and undo it.

    known: names of the database's own secondary indexes, which the template lacks. where: file and set, with which a
    message begins. Raises UsageError naming what is wrong.
    """
    for name in members.drops:
        if name not in known:
            _check_drop(connection, name, known, where)
    for statistics in members.statistics:
        with _tried(connection, f"{where} statistics: {statistics.name}"):
            connection.execute(statistics.create)
    for column, target in members.targets.items():
        with _tried(connection, f"{where} targets: {column}"):
            connection.execute(_set_target(column, target))
    for name, value in members.settings.items():
        with _tried(connection, f"{where} settings: {name} = {value}"):
            set_on_database(connection, connection.info.dbname, name, value)


@contextmanager
def _tried(connection: Connection, where: str) -> Iterator[None]:
    try:
        with connection.transaction(force_rollback=True):
            yield
    except psycopg.Error as error:
        raise UsageError(f"{where}: {reason(error)}") from None


def _check_drop(connection: Connection, name: str, known: Sequence[str], where: str) -> None:
    row = connection.execute(_SQL["index"], {"name": name}).fetchone()
    if row is None:
        others = [other for (other,) in connection.execute(_SQL["droppable"]).fetchall()]
        raise unknown("index", name, (*known, *others), where=f"{where} drops")
    constraint, table = row[2:]
    if constraint:
        raise UsageError(
            f"{where} drops: index {name} is that of the constraint {constraint} on {table}; a constraint is a rule "
            "and stays under every set, so name an index that no constraint needs"
        )
    with _tried(connection, f"{where} drops: {name}"):
        connection.execute(with_names("DROP INDEX {}.{}", *row[:2]))


def _set_target(column: str, target: int) -> sql.Composed:
    match = _COLUMN.fullmatch(column)
    assert match is not None, column
    table, name = (sql.SQL(part) for part in match.groups())  # the owner's own SQL
    return sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET STATISTICS {}").format(table, name, sql.Literal(target))


def is_column(text: str) -> bool:
    """Return whether the text is `table.column`, either of them quoted or not."""
    return _COLUMN.fullmatch(text) is not None


def drop_indexes(connection: Connection, members: Members, built: Sequence[str]) -> None:
    """Drop those indexes of the database that the set takes away and the template still has: unique ones. built: names
    of the set's own that are there already."""
    for name in members.drops:
        row = connection.execute(_SQL["index"], {"name": name}).fetchone()
        if row is not None and name not in built:
            connection.execute(with_names("DROP INDEX {}.{}", *row[:2]))


def add_statistics(connection: Connection, members: Members) -> tuple[Relation, ...]:
    """Create the set's statistics and set its targets; return the tables that have to be analysed for it."""
    for statistics in members.statistics:
        connection.execute(statistics.create)
    for column, target in members.targets.items():
        connection.execute(_set_target(column, target))
    names = [statistics.name for statistics in members.statistics]
    tables = [match[1] for column in members.targets if (match := _COLUMN.fullmatch(column))]
    rows = connection.execute(_SQL["analysed"], {"statistics": names, "tables": tables}).fetchall()
    return tuple((schema, table) for schema, table in rows)


def set_settings(server: Server, database: str, members: Members, where: str) -> None:
    """Give the sessions on `database`, a copy that was made for the set, the settings of the set."""
    override(server, database, members.settings, where=f"{where} settings:")
