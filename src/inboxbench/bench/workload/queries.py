"""What is measured: queries and the parameter classes they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inboxbench.bench.workload.parameters import Drawing, ParameterClass, given_values, read_classes
from inboxbench.database import Connection
from inboxbench.errors import unknown
from inboxbench.project import Project
from inboxbench.sqlfile import QueryFile, read_queries

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


def read_workload(project: Project, names: Sequence[str] | None = None) -> Workload:
    """Queries (all, or the named ones and families) and the classes they use, checked against each other.

    Raises UsageError for an unknown query, family or class.
    """
    queries = _choose(read_queries(project.queries, strict=project.headers_required), names)
    path = project.bench / "classes.toml"
    known = read_classes(path) if any(query.classes for query in queries) else {}
    for query in queries:
        for name in query.classes:
            if name not in known:
                raise unknown("parameter class", name, known, where=f"{query.path} classes")
    used = {name for query in queries for name in query.classes}
    given = [GIVEN] if any(not query.classes for query in queries) else []
    return Workload(queries, (*(found for found in known.values() if found.name in used), *given))


def _choose(queries: tuple[QueryFile, ...], names: Sequence[str] | None) -> tuple[QueryFile, ...]:
    if names is None:
        return queries
    known = {query.name for query in queries} | {query.family for query in queries}
    for name in names:
        if name not in known:
            raise unknown("query", name, known)
    return tuple(query for query in queries if query.name in names or query.family in names)


def draw_cases(workload: Workload, connection: Connection, project: Project) -> Workload:
    """The workload with values from the database behind `connection`."""
    drawing = Drawing(connection, project.bench / "draws")
    values = {found.name: drawing.values(found) for found in workload.classes if found is not GIVEN}
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
