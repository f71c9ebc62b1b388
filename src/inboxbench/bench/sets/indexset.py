"""Index sets: `schema/indexes.toml` read, checked and composed; definitions tried out; sets built and weighed."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection, first_row
from inboxbench.documents import check_table, parse_toml
from inboxbench.errors import ServerError, UsageError, unknown
from inboxbench.files import read_text
from inboxbench.server import reason
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

_NAME = r'(?:"(?:[^"]|"")+"|[^\s(".]+)'
_TABLE = re.compile(rf"\s*(?:only\s+)?({_NAME}(?:\s*\.\s*{_NAME})?)", re.IGNORECASE)
_INDEX_KEYS = {"definition": str, "serves": list, "why": str, "ids": list, "needs": list}
_DEEPEST = 50  # sets that extend each other
_SET_KEYS = {"title": str, "why": str, "extends": list, "without": list, "indexes": list, "default": bool}


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
        return sql.SQL("CREATE INDEX {} ON {}").format(sql.Identifier(self.own_name), body)

    @property
    def create_on_trial(self) -> sql.Composed:
        """The same on a temporary table that has the name of its own."""
        match = _TABLE.match(self.definition)
        assert match is not None, self.definition
        rest = sql.SQL(self.definition[match.end() :])
        return sql.SQL("CREATE INDEX {} ON {}{}").format(sql.Identifier(self.own_name), _on_trial(match[1]), rest)


@dataclass(frozen=True, slots=True)
class IndexSet:
    """Indexes in the order they are built: those of the sets it extends first."""

    name: str
    title: str
    why: str
    indexes: tuple[Index, ...]
    default: bool = True


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """An index as it came out: its size on disk and the seconds its build took."""

    index: Index
    bytes: int
    build_s: float


def _index(path: Path, name: str, raw: object) -> Index:
    table = check_table(raw, _INDEX_KEYS, f"{path} [index.{name}]")
    if not table.get("definition", "").strip():
        raise UsageError(f'{path} [index.{name}] definition: missing; write it as "table (column, …)"')
    return Index(
        name=name,
        definition=table["definition"],
        serves=tuple(table.get("serves", ())),
        why=table.get("why", ""),
        ids=tuple(table.get("ids", ())),
        needs=tuple(table.get("needs", ())),
    )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Holds what `indexes.toml` says: every index, every set with its parents resolved."""

    path: Path
    indexes: Mapping[str, Index]
    sets: Mapping[str, IndexSet]

    def choose(self, names: Sequence[str] | None = None) -> tuple[IndexSet, ...]:
        """Return the named sets, or the default ones. Raises UsageError with the nearest known name."""
        if names is None:
            return tuple(index_set for index_set in self.sets.values() if index_set.default)
        for name in names:
            if name not in self.sets:
                raise unknown("index set", name, self.sets, where=str(self.path))
        return tuple(self.sets[name] for name in dict.fromkeys(names))


def _compose(path: Path, name: str, raw: Mapping[str, dict[str, Any]], trail: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return names of the indexes of a set, its parents' first. Raises UsageError for a cycle or an unknown name."""
    if name in trail:
        raise UsageError(f"{path} [set.{name}] extends: goes round in a circle: {' → '.join((*trail, name))}")
    if len(trail) > _DEEPEST:
        raise UsageError(f"{path} [set.{name}] extends: more than {_DEEPEST} sets in a row; name their indexes")
    names: list[str] = []
    for parent in raw[name].get("extends", ()):
        if parent not in raw:
            raise unknown("index set", parent, raw, where=f"{path} [set.{name}] extends")
        names += _compose(path, parent, raw, (*trail, name))
    for left_out in raw[name].get("without", ()):
        if left_out not in names:
            raise UsageError(f"{path} [set.{name}] without: {left_out!r} is in none of the sets it extends")
        names = [kept for kept in names if kept != left_out]
    return tuple(dict.fromkeys([*names, *raw[name].get("indexes", ())]))


def parse_catalogue(path: Path, text: str) -> Catalogue:
    """Raises UsageError naming file, table and key."""
    document = parse_toml(text, str(path))
    for key in document:
        if key not in ("index", "set"):
            raise unknown("table", key, ("index", "set"), where=str(path))
    tables = {kind: check_table(document.get(kind, {}), None, f"{path} [{kind}]") for kind in ("index", "set")}
    indexes = {name: _index(path, name, raw) for name, raw in tables["index"].items()}
    raw_sets = {name: check_table(raw, _SET_KEYS, f"{path} [set.{name}]") for name, raw in tables["set"].items()}
    if not raw_sets:
        raise UsageError(f"{path}: there is no [set.…] to measure")
    sets = {name: _set(path, name, raw_sets, indexes) for name in raw_sets}
    return Catalogue(path, indexes, sets)


def _set(path: Path, name: str, raw: Mapping[str, dict[str, Any]], indexes: Mapping[str, Index]) -> IndexSet:
    for index in raw[name].get("indexes", ()):
        if index not in indexes:
            raise unknown("index", index, indexes, where=f"{path} [set.{name}] indexes")
    names = _compose(path, name, raw)
    table = raw[name]
    return IndexSet(
        name=name,
        title=table.get("title", name),
        why=table.get("why", ""),
        indexes=tuple(indexes[index] for index in names),
        default=table.get("default", True),
    )


def read_catalogue(path: Path) -> Catalogue:
    return parse_catalogue(path, read_text(path))


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


def sound_sets(connection: Connection, path: Path, sets: Sequence[IndexSet]) -> tuple[list[IndexSet], list[str]]:
    """Return the sets whose indexes can all be built here, and for each other one why not."""
    sound, refused = [], []
    for index_set in sets:
        try:
            install_extensions(connection, index_set.indexes)
            try_definitions(connection, path, index_set.indexes)
        except UsageError as error:
            refused.append(f"set {index_set.name} is left out: {error}")
        else:
            sound.append(index_set)
    return sound, refused


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


def build(connection: Connection, indexes: Iterable[Index], announce: Callable[[str], None]) -> tuple[BuiltIndex, ...]:
    """Create indexes one after the other.

    Raises UsageError naming a wrong definition, ServerError when the server is at its end (a full disk).
    """
    built = []
    for index in indexes:
        announce(index.name)
        begun = time.perf_counter()
        try:
            connection.execute(index.create)
        except psycopg.OperationalError as error:  # the disk, memory or the connection, not the definition
            raise ServerError(f"index {index.name} could not be built: {reason(error)}") from None
        except psycopg.Error as error:
            raise UsageError(f"[index.{index.name}] definition: {reason(error)}") from None
        seconds = time.perf_counter() - begun
        (size,) = first_row(connection, "SELECT pg_relation_size(%s::oid)", (located(connection, index)[0],))
        built.append(BuiltIndex(index, int(size), seconds))
    return tuple(built)


def located(connection: Connection, index: Index) -> tuple[int, str, str]:
    """Return the oid, the schema and the name of an index that is built."""
    number, schema, name = first_row(connection, _SQL["located"], (index.table, index.own_name))
    return int(number), schema, name
