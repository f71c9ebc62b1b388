"""Every regression of regressions.py put into head on its own; each has to be caught in its class, and the same head
without it has to pass."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from journal import Journal
from regressions import REGRESSIONS, Regression

from inboxbench.database import clone_database, connect, database_name, drop_database
from inboxbench.gate import Budgets, Change, Comparison, Snapshot, compare
from inboxbench.gate.change import ranked
from inboxbench.gate.measure_head import Request, measure_migrated, migrated
from inboxbench.gate.paired_timing import Trial, time_cases
from inboxbench.project import Project
from inboxbench.seed import Dataset
from inboxbench.server import Server

KIND = "catalogue"
TITLE = """## Regressions, each put into head on its own

The last column counts alarms of the same head without it."""
_SECONDS = 60.0


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


@dataclass(frozen=True, slots=True)
class Ground:
    """What regressions are put into: copies of one migrated head."""

    server: Server
    template: str
    dataset: Dataset
    project: Project

    def measured(self, *statements: str, project: Project | None = None) -> Snapshot:
        with altered(self.server, self.template, *statements) as name:
            return measure_migrated(self.server, name, self.dataset, project or self.project, Request())

    def timed(self, trial: Trial, project: Project, query: str) -> Comparison:
        """Of a query in the same words on both sides."""
        cases = time_cases(self.server, trial, (project, project), [query], tolerated=0.1, budget_s=_SECONDS)
        changes = [change for case in cases if (change := case.as_change())]
        return Comparison(ranked(changes), len(changes))


def catalogue(server: Server, project: Project, journal: Journal) -> None:
    """Go on with the regressions that the journal does not know yet."""
    known: dict[str, Snapshot] = {}
    done = {entry["name"] for entry in journal.entries(KIND)}
    left = [one for one in REGRESSIONS if one.name not in done]
    with migrated(server, project, Request()) as (template, dataset):
        ground = Ground(server, template, dataset, project)
        for one in left:
            again, found = _timed(ground, one) if one.timed else _counted(ground, one, known)
            _note(journal, one, found.changes, again.of("broken", "worse"))


def _counted(ground: Ground, one: Regression, known: dict[str, Snapshot]) -> tuple[Comparison, Comparison]:
    """What changed without it, and with it."""
    if one.before not in known:
        known[one.before] = ground.measured(one.before)
    again = compare(known[one.before], ground.measured(one.before), Budgets())
    with edited(ground.project, one) as other:
        found = compare(known[one.before], ground.measured(one.before, one.sql, project=other), Budgets())
    return again, found


def _timed(ground: Ground, one: Regression) -> tuple[Comparison, Comparison]:
    with ExitStack() as stack:
        before, same, copy = (stack.enter_context(altered(ground.server, ground.template, one.before)) for _ in "abc")
        worse = stack.enter_context(altered(ground.server, ground.template, one.before, one.sql))
        both = stack.enter_context(edited(ground.project, one))
        return (
            ground.timed(Trial(before, same, copy), both, one.query),
            ground.timed(Trial(before, worse, copy), both, one.query),
        )


def _note(journal: Journal, one: Regression, found: Sequence[Change], alarms: Sequence[Change]) -> None:
    fitting = [
        change
        for change in found
        if (change.verdict, change.metric) == one.expected and change.where.startswith(one.where)
    ]
    worst = f"{fitting[0].where}: {fitting[0].text}" if fitting else ""
    instead = "; ".join(f"{change.where} {change.metric} {change.text}" for change in found[:2]) or "nothing"
    journal.add(
        KIND,
        name=one.name,
        cause=one.kind,
        belongs=f"{one.expected[0]}: {one.expected[1]}",
        caught=bool(fitting),
        worst=worst or instead,
        alarms=[f"{change.where}: {change.text}" for change in alarms],
    )
    click.echo(f"{one.name}: {'caught' if fitting else 'MISSED'}, {worst or instead}; {len(alarms)} alarms without it")


def table(journal: Journal) -> tuple[list[str], int]:
    """Rows of the table, and how many were missed or alarmed without reason."""
    rows = ["| regression | cause | class it belongs to | caught in it | worst | alarms without it |"]
    rows.append("|---|---|---|---|---|---:|")
    found = journal.entries(KIND)
    for one in found:
        said = "yes" if one["caught"] else "**missed**"
        rows.append(
            f"| {one['name']} | {one['cause']} | {one['belongs']} | {said} | {one['worst']} | {len(one['alarms'])} |"
        )
    return rows, sum(not one["caught"] or bool(one["alarms"]) for one in found)
