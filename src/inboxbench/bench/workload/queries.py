"""What is measured: queries, and parameter classes, whose values are drawn from the data so that they exist there.

Also which queries compare letters beyond ASCII, for which a server's locale matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.abc import Transformer as Adapting
from psycopg.adapt import Transformer
from psycopg.postgres import types
from psycopg.pq import Format
from psycopg.pq.abc import PGresult

from inboxbench.bench.workload.sources import FolderSource, WorkloadSource
from inboxbench.database import Connection
from inboxbench.documents import check_table, read_toml
from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.files import read_text
from inboxbench.project import Project
from inboxbench.server import reason
from inboxbench.sqlfile import QueryFile, as_psycopg, parameters

Values = Mapping[str, Any]

_KEYS = {"title": str, "draws": list, "name": dict}


@dataclass(frozen=True, slots=True)
class ParameterClass:
    """`draws` run in turn; `aliases` give a drawn value a second name as soon as it is known."""

    name: str
    title: str
    draws: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)


def _class(path: Path, name: str, raw: object) -> ParameterClass:
    table = check_table(raw, _KEYS, f"{path} [{name}]")
    if not table.get("draws"):
        raise UsageError(f"{path} [{name}] draws: missing; name at least one file of draws/")
    return ParameterClass(name, table.get("title", name), tuple(table["draws"]), dict(table.get("name", {})))


def read_classes(path: Path) -> dict[str, ParameterClass]:
    """`classes.toml` by name. Raises UsageError naming the key."""
    classes = {name: _class(path, name, raw) for name, raw in read_toml(path).items()}
    for name, chosen in classes.items():
        for draw in chosen.draws:
            if not (path.parent / "draws" / f"{draw}.sql").is_file():
                known = (file.stem for file in (path.parent / "draws").glob("*.sql"))
                raise unknown("draw", draw, known, where=f"{path} [{name}] draws")
    return classes


def given_values(connection: Connection, query: QueryFile) -> dict[str, Any]:
    """The values that a query says itself. Raises UsageError naming the one that is no value of its type."""
    values: dict[str, Any] = {}
    for name, kind in query.params.items():
        # SQL that the query's owner wrote, like the query itself.
        text = f"SELECT ({query.defaults[name]})::{kind}"
        try:
            values |= _first_values(connection.execute(text.encode()), [name])
        except psycopg.Error as error:
            raise UsageError(f"{query.path} params: {name} = {query.defaults[name]}: {reason(error)}") from None
        if values[name] is None:
            raise UsageError(f"{query.path} params: {name} = {query.defaults[name]} is NULL; give a value")
    return values


# What psycopg gives back as it was; of the rest (json, ranges, intervals of months …) the server's own text is kept.
_FAITHFUL = (bool, int, float, str, Decimal, UUID, date, time, bytes)
_JSON = frozenset(oid for name in ("json", "jsonb") for oid in (types[name].oid, types[name].array_oid))


def _first_values(cursor: psycopg.Cursor[Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the values of the first row, by name."""
    result, adapting = cursor.pgresult, Transformer(cursor.connection)
    assert result is not None
    return {name: _value(result, place, adapting) for place, name in enumerate(names)}


def _value(result: PGresult, place: int, adapting: Adapting) -> Any:
    raw, kind = result.get_value(0, place), result.ftype(place)
    if raw is None:
        return None
    try:
        loaded = None if kind in _JSON else adapting.get_loader(kind, Format.TEXT).load(raw)
    except psycopg.DataError:  # such as a date after Python's last
        loaded = None
    parts = loaded if isinstance(loaded, list) else [loaded]
    faithful = loaded is not None and all(part is None or isinstance(part, _FAITHFUL) for part in parts)
    return loaded if faithful else raw.decode(adapting.encoding)


class Drawing:
    """Draws on one database; a draw with the same inputs runs once, however many classes share it."""

    def __init__(self, connection: Connection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def values(self, chosen: ParameterClass) -> dict[str, Any]:
        """Return everything the class's draws give. Raises UsageError for a draw that fails or gives other than one
        row."""
        values: dict[str, Any] = {}
        for draw in chosen.draws:
            values |= self._draw(draw, values)
            values |= {alias: values[source] for alias, source in chosen.aliases.items() if source in values}
        return values

    def _draw(self, name: str, values: Values) -> dict[str, Any]:
        path = self._folder / f"{name}.sql"
        text = read_text(path).strip().rstrip(";")
        if missing := [needed for needed in parameters(text) if needed not in values]:
            raise UsageError(f"{path}: uses :{missing[0]}, which no earlier draw of the class gives")
        inputs = {needed: values[needed] for needed in parameters(text)}
        key = (name, repr(inputs))
        if key not in self._known:
            self._known[key] = self._run(path, text, inputs)
        return self._known[key]

    def _run(self, path: Path, text: str, inputs: Values) -> dict[str, Any]:
        try:
            cursor = self._connection.execute(as_psycopg(text).encode(), inputs)
            names = [column.name for column in cursor.description or ()]
            values = _first_values(cursor, names) if cursor.rowcount == 1 else {}
        except psycopg.Error as error:
            raise SubjectFailed(f"{path}: {reason(error)}") from None
        if cursor.rowcount > 1:
            raise UsageError(f"{path}: gives {cursor.rowcount} rows; a draw gives one, add LIMIT 1")
        return values


# The class of a query that says its own values.
GIVEN = ParameterClass("given", "the values that stand in the query", ())


@dataclass(frozen=True, slots=True)
class Case:
    """One query with one class of parameters; `values` in the order of the query's params."""

    query: QueryFile
    parameter_class: ParameterClass
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.query.name} [{self.parameter_class.name}]"


@dataclass(frozen=True, slots=True)
class Workload:
    """`skipped` names each case that this data has no parameters for."""

    queries: tuple[QueryFile, ...]
    classes: tuple[ParameterClass, ...]
    cases: tuple[Case, ...] = ()
    skipped: tuple[str, ...] = ()


def read_workload(
    project: Project, names: Sequence[str] | None = None, source: WorkloadSource | None = None
) -> Workload:
    """Queries (all, or the named ones and families) and the classes they use, checked against each other.

    source: where the queries come from (None: the project's folder). Raises UsageError for an unknown query, family or
    class.
    """
    source = source or FolderSource(project.queries, strict=project.headers_required)
    queries = _choose(source.queries(), names)
    path = project.bench / "classes.toml"
    known = read_classes(path) if any(query.classes for query in queries) else {}
    for query in queries:
        for name in query.classes:
            if name not in known:
                raise unknown("parameter class", name, known, where=f"{query.path} classes")
    used = {name for query in queries for name in query.classes}
    given = [GIVEN] if any(not query.classes for query in queries) else []
    return Workload(queries, (*(chosen for chosen in known.values() if chosen.name in used), *given))


def _choose(queries: tuple[QueryFile, ...], names: Sequence[str] | None) -> tuple[QueryFile, ...]:
    if names is None:
        return queries
    known = {query.name for query in queries} | {query.family for query in queries}
    for name in names:
        if name not in known:
            raise unknown("query", name, known)
    return tuple(query for query in queries if query.name in names or query.family in names)


def draw_cases(workload: Workload, connection: Connection, project: Project) -> Workload:
    """Return the workload with values from the database behind `connection`."""
    drawing = Drawing(connection, project.bench / "draws")
    values = {chosen.name: drawing.values(chosen) for chosen in workload.classes if chosen is not GIVEN}
    cases: list[Case] = []
    skipped: list[str] = []
    for query in workload.queries:
        if not query.classes:
            cases.append(Case(query, GIVEN, given_values(connection, query)))
        for chosen in workload.classes:
            if chosen.name not in query.classes:
                continue
            case = Case(query, chosen, {name: values[chosen.name].get(name) for name in query.params})
            missing = [name for name, value in case.values.items() if value is None]
            if missing:
                skipped.append(f"{case.name}: this data has no {missing[0]} for {chosen.title}")
            else:
                cases.append(case)
    return Workload(workload.queries, workload.classes, tuple(cases), tuple(skipped))


# What goes by the locale's letters: ILIKE, ~*, lower() and upper(), and the operators and functions of pg_trgm.
_BY_LETTERS = re.compile(r"\b(?:ilike|lower|upper|similarity|word_similarity|strict_word_similarity)\b|~\*|<%|%>", re.I)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
# Under LC_CTYPE C a letter outside ASCII has no other case, and no word has a trigram with one in it.
_KNOWS_LETTERS = "SELECT 'É' ILIKE 'é'"


def locale_remark(connection: Connection, queries: Iterable[QueryFile]) -> str | None:
    """Return a warning that names the queries for which the database's locale knows too few letters; None where all is
    well.

    Queries that compare no text by its letters are as right under a C locale as under any other.
    """
    names = [query.name for query in queries if _BY_LETTERS.search(_COMMENT.sub("", query.text))]
    if not names:
        return None
    row = connection.execute(_KNOWS_LETTERS).fetchone()
    if row is None or row[0]:
        return None
    return (
        f"the locale of database {connection.info.dbname!r} knows the letters of ASCII alone: in other text, ILIKE, "
        f"lower() and trigrams (pg_trgm) find too little for {', '.join(names)}; make it with LOCALE 'C.UTF-8' instead"
    )
