"""Every regression of regressions.py put into head on its own; each has to be caught in its class, and the same head
without it has to pass."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from regressions import REGRESSIONS, Regression

from inboxbench.database import clone_database, connect, database_name, drop_database
from inboxbench.gate import Budgets, Comparison, Snapshot, compare
from inboxbench.gate.head import Request, measure_migrated, migrated
from inboxbench.project import Project
from inboxbench.seed import Dataset
from inboxbench.server import Server


@contextmanager
def edited(project: Project, regression: Regression) -> Iterator[Project]:
    """The project, or a copy of it with the regression's query in place of its own."""
    if not regression.query:
        yield project
        return
    with tempfile.TemporaryDirectory(prefix="inboxbench_proof_") as folder:
        for part in ("schema", "migrations", "seeds", "bench"):
            shutil.copytree(getattr(project, part), Path(folder) / part)
        path = Path(folder) / "bench" / "queries" / f"{regression.query}.sql"
        text = path.read_text(encoding="utf-8")
        assert regression.old in text, f"{regression.name}: {regression.old!r} is not in {path.name}"
        path.write_text(text.replace(regression.old, regression.new), encoding="utf-8")
        yield Project(Path(folder))


@contextmanager
def altered(server: Server, template: str, *statements: str) -> Iterator[str]:
    """A copy of the migrated head with statements executed in it."""
    name = database_name("proof")
    clone_database(server, template, name)
    try:
        with connect(server.conninfo(name)) as connection:
            for text in statements:
                for statement in split(text):
                    connection.execute(statement.encode())
        yield name
    finally:
        drop_database(server, name)


def split(text: str) -> list[str]:
    """Statements between semicolons, dollar quotes left whole: VACUUM wants to be alone."""
    parts, quoted = [""], False
    for piece in text.split("$$"):
        pieces = [piece] if quoted else piece.split(";")
        parts[-1] += ("$$" if quoted else "") + pieces[0] + ("$$" if quoted else "")
        parts += pieces[1:]
        quoted = not quoted
    return [part for part in parts if part.strip()]


def measured(server: Server, name: str, dataset: Dataset, project: Project, queries: list[str] | None) -> Snapshot:
    return measure_migrated(server, name, dataset, project, Request(queries=queries))


def caught(regression: Regression, found: Comparison) -> bool:
    return any(
        (change.verdict, change.metric) == regression.expected and change.where.startswith(regression.where)
        for change in found.changes
    )


def catalogue(server: Server, project: Project) -> tuple[list[str], int]:
    """Rows of the table, and how many were missed or alarmed without reason."""
    rows = ["| regression | class | caught as | worst | alarms without it |", "|---|---|---|---|---:|"]
    wrong = 0
    known: dict[str, Snapshot] = {}
    with migrated(server, project, Request()) as (template, dataset):
        for one in REGRESSIONS:
            if one.before not in known:
                with altered(server, template, one.before) as name:
                    known[one.before] = measured(server, name, dataset, project, None)
            with altered(server, template, one.before) as name:
                again = compare(known[one.before], measured(server, name, dataset, project, None), Budgets())
            with altered(server, template, one.before, one.sql) as name, edited(project, one) as other:
                found = compare(known[one.before], measured(server, name, dataset, other, None), Budgets())
            alarms = len(again.of("broken", "worse"))
            wrong += (not caught(one, found)) + bool(alarms)
            rows.append(row(one, found, alarms))
            click.echo(rows[-1])
    return rows, wrong


def row(one: Regression, found: Comparison, alarms: int) -> str:
    fitting = [c for c in found.of("broken", "worse") if c.where.startswith(one.where) and c.metric == one.expected[1]]
    if not fitting:
        said = "; ".join(f"{c.where} {c.metric} {c.text}" for c in found.changes[:2]) or "nothing"
        return f"| {one.name} | {one.kind} | **missed** | {said} | {alarms} |"
    worst = fitting[0]
    return f"| {one.name} | {one.kind} | {worst.verdict}: {worst.metric} | {worst.where}: {worst.text} | {alarms} |"
