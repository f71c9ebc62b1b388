"""Index sets: what they are made of; definitions tried out; indexes built and weighed."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench.bench.sets.members import Members, check_members
from inboxbench.database import Connection, first_row
from inboxbench.errors import ServerError, UsageError
from inboxbench.server import reason
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

_NAME = r'(?:"(?:[^"]|"")+"|[^\s(".]+)'
_TABLE = re.compile(rf"\s*(?:only\s+)?({_NAME}(?:\s*\.\s*{_NAME})?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Index:
    """`definition` is what follows CREATE INDEX name ON. relation: its name within its schema, where `name` has the
    schema before it, too ("": the same as `name`)."""

    name: str
    definition: str
    serves: tuple[str, ...] = ()
    why: str = ""
    ids: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    relation: str = ""
    unique: bool = False

    @property
    def key(self) -> tuple[str, str, bool]:
        """Return what makes it the same index: the name alone would not do, for a database's own index may be called
        like one of a catalogue."""
        return self.name, self.definition, self.unique

    @property
    def table(self) -> str:
        """The table as the definition writes it, with its schema where that is given."""
        match = _TABLE.match(self.definition)
        return match[1] if match else ""

    @property
    def own_name(self) -> str:
        return self.relation or self.name

    @property
    def inverted(self) -> bool:
        """GIN: many keys a row, so that building it takes most of a set's time."""
        return re.search(r"\busing\s+gin\b", self.definition, re.IGNORECASE) is not None

    @property
    def create(self) -> sql.Composed:
        # The definition is SQL that the project's owner wrote, not data: it is pasted as it stands.
        body = sql.SQL(self.definition)
        return sql.SQL("CREATE {} {} ON {}").format(self._kind, sql.Identifier(self.own_name), body)

    @property
    def _kind(self) -> sql.SQL:
        return sql.SQL("UNIQUE INDEX" if self.unique else "INDEX")

    @property
    def create_on_trial(self) -> sql.Composed:
        """The same on a temporary table that has the name of its own."""
        match = _TABLE.match(self.definition)
        assert match is not None, self.definition
        rest = sql.SQL(self.definition[match.end() :])
        name = sql.Identifier(self.own_name)
        return sql.SQL("CREATE {} {} ON {}{}").format(self._kind, name, _on_trial(match[1]), rest)


@dataclass(frozen=True, slots=True)
class IndexSet:
    """Indexes in the order they are built: those of the sets it extends first. lacks: names of indexes that belong to
    it and that the database refused."""

    name: str
    title: str
    why: str
    indexes: tuple[Index, ...]
    default: bool = True
    members: Members = field(default_factory=Members)
    lacks: tuple[str, ...] = ()

    def based_on(self, current: IndexSet, where: str) -> IndexSet:
        """Return the set with the indexes of `current` before its own, those aside that it drops, where it begins with
        them. Raises UsageError when two have one name."""
        if not self.members.on_current:
            return self
        kept = tuple(index for index in current.indexes if index.name not in self.members.drops)
        for index in self.indexes:
            if index.name in {other.name for other in kept}:
                raise UsageError(
                    f"{where}: the database has an index {index.name} already; rename it, or drop that one"
                )
        return replace(self, indexes=(*kept, *self.indexes))

    def without(self, refused: Iterable[str]) -> IndexSet:
        """Return the set without these of its indexes, which its title says."""
        names = tuple(dict.fromkeys([*self.lacks, *refused]))
        title = self.title.removesuffix(f" (without {', '.join(self.lacks)})")
        return replace(
            self,
            title=f"{title} (without {', '.join(names)})",
            indexes=tuple(index for index in self.indexes if index.name not in names),
            lacks=names,
        )


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index as it came out: its size on disk and the seconds its build took. parts: the names of the indexes that
    its partitions have for it, which are what a plan names."""

    index: Index
    bytes: int
    build_s: float
    parts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return all names that a plan may have for it."""
        return self.index.own_name, *self.parts


_DEFINITION = re.compile(r"CREATE INDEX .+? ON (?:ONLY )?(.+)", re.DOTALL)


def live_set(connection: Connection, name: str, title: str) -> IndexSet:
    """The set of indexes that a database has now, unique ones left out: those are rules and stay under every set."""
    indexes = []
    rows = connection.execute(_SQL["live"]).fetchall()
    times = Counter(row[1] for row in rows)
    for schema, index, definition, visible in rows:
        match = _DEFINITION.fullmatch(definition)
        assert match is not None, definition
        table = match[1].removeprefix("public.") if visible else match[1]
        full = f"{schema}.{index}" if times[index] > 1 and schema != "public" else index
        indexes.append(Index(name=full, definition=table, relation=index))
    return IndexSet(name, title, "as the migrations leave it", tuple(indexes), default=False)


def install_extensions(connection: Connection, indexes: Iterable[Index]) -> None:
    """CREATE EXTENSION for what the indexes need. Raises UsageError naming the index."""
    for index in indexes:
        for name in index.needs:
            try:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)))
            except psycopg.Error as error:
                raise UsageError(f"[index.{index.name}] needs: extension {name!r}: {reason(error)}") from None


def sound_sets(
    connection: Connection, path: Path, sets: Sequence[IndexSet], current: IndexSet
) -> tuple[list[IndexSet], list[str]]:
    """Return the sets without what cannot be built here, and a line on each index and set that this leaves out.

    A set is left out whole when no index of its own is left and it has no other members, or when one of those is wrong.
    current: the indexes that the database has, which `connection`, a template, lacks.
    """
    sound: list[IndexSet] = []
    refused: list[str] = []
    for index_set in sets:
        problems = _problems(connection, path, index_set)
        try:
            names = [index.name for index in current.indexes]
            check_members(connection, index_set.members, names, f"{path} [set.{index_set.name}]")
            sound.append(reduced(index_set, problems, refused, current))
        except UsageError as error:
            refused.append(f"set {index_set.name} is left out: {error}")
    return sound, refused


def reduced(index_set: IndexSet, problems: Mapping[str, str], refused: list[str], current: IndexSet) -> IndexSet:
    """Return the set without the indexes that `problems` names, with a line in `refused` on each.

    Raises UsageError, the first problem, where nothing is left that is the set's own.
    """
    if not problems:
        return index_set
    foreign = current.indexes if index_set.members.on_current else ()
    own = [index for index in index_set.indexes if index not in foreign]
    if not index_set.members and all(index.name in problems for index in own):
        raise UsageError(next(iter(problems.values())))
    refused += [f"set {index_set.name} is measured without index {name}: {why}" for name, why in problems.items()]
    return index_set.without(problems)


def kept(index_set: IndexSet, built: Built, refused: list[str], current: IndexSet) -> IndexSet | None:
    """Return what `reduced` does of the indexes that the rows or a name refused; None, and a line in `refused`, where
    the set is left out."""
    try:
        return reduced(index_set, built.problems, refused, current)
    except UsageError as error:
        refused.append(f"set {index_set.name} is left out: {error}")
        return None


def _problems(connection: Connection, path: Path, index_set: IndexSet) -> dict[str, str]:
    """Return why an index of the set cannot be built, by its name."""
    problems: dict[str, str] = {}
    for index in index_set.indexes:
        try:
            install_extensions(connection, [index])
            try_definitions(connection, path, [index])
        except UsageError as error:
            problems[index.name] = str(error)
    return problems


def try_definitions(connection: Connection, path: Path, indexes: Iterable[Index]) -> None:
    """Build every index on empty copies of its table, then forget them: a wrong definition costs no time.

    Raises UsageError naming the index and what PostgreSQL said.
    """
    wanted = list({index.name: index for index in indexes}.values())
    for index in wanted:
        try:
            with connection.transaction(force_rollback=True):
                _try_one(connection, index)
        except psycopg.Error as error:
            raise UsageError(f"{path} [index.{index.name}] definition: {reason(error)}") from None


def _on_trial(table: str) -> sql.Composed:
    """Return the name of the temporary table that stands in for `table`, a name as a definition writes it."""
    return sql.SQL("pg_temp.{}").format(sql.SQL(re.findall(_NAME, table)[-1]))


def _try_one(connection: Connection, index: Index) -> None:
    copy = sql.SQL("CREATE TEMPORARY TABLE {} (LIKE {} INCLUDING DEFAULTS)")
    connection.execute(copy.format(_on_trial(index.table), sql.SQL(index.table)))
    connection.execute(index.create_on_trial)


@dataclass(frozen=True, slots=True)
class Built:
    """Holds what came out of building indexes. problems: why one was refused, by its name."""

    indexes: tuple[BuiltIndex, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, more: Built) -> Built:
        return Built((*self.indexes, *more.indexes), {**self.problems, **more.problems})

    def required(self) -> tuple[BuiltIndex, ...]:
        """Return the indexes. Raises UsageError when one was refused."""
        for problem in self.problems.values():
            raise UsageError(problem)
        return self.indexes


def build(connection: Connection, indexes: Iterable[Index], announce: Callable[[str], None]) -> Built:
    """Create indexes one after the other; one that the rows or a name refuse is left out and said.

    Raises ServerError when the server is at its end (a full disk).
    """
    built, problems = [], {}
    for index in indexes:
        announce(index.name)
        begun = time.perf_counter()
        try:
            connection.execute(index.create)
        except psycopg.Error as error:
            at_its_end = isinstance(error, psycopg.OperationalError)  # the disk, memory or the connection
            if at_its_end and not isinstance(error, psycopg.errors.ProgramLimitExceeded):  # but for a row too long
                raise ServerError(f"index {index.name} could not be built: {reason(error)}") from None
            detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
            problems[index.name] = f"[index.{index.name}] definition: {reason(error)}{detail}"
            continue
        seconds = time.perf_counter() - begun
        size, parts = first_row(connection, _SQL["size"], (located(connection, index)[0],))
        built.append(BuiltIndex(index, int(size), seconds, tuple(parts)))
    return Built(tuple(built), problems)


def located(connection: Connection, index: Index) -> tuple[int, str, str]:
    """Return the oid, the schema and the name of an index that is built."""
    number, schema, name = first_row(connection, _SQL["located"], (index.table, index.own_name))
    return int(number), schema, name
