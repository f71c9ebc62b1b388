"""Every regression of regressions.py and write_regressions.py put into head on its own; each has to be caught in its
class, and the same head without it has to pass."""

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
from write_regressions import CLERK, ROLE, SHOP_FILES, SHOP_ROWS, SHOP_RULES, WRITE_REGRESSIONS

from inboxbench.database import clone_database, connect, drop_database, scratch_database
from inboxbench.database_marks import database_name
from inboxbench.gate import Budgets, Change, Comparison, Snapshot, compare
from inboxbench.gate.change import CLOSING, ranked
from inboxbench.gate.measure_head import Request, measure_database, measure_migrated, migrated
from inboxbench.gate.paired_timing import Trial, time_cases
from inboxbench.project import Loose, Project
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
class Head:
    """What regressions are put into: copies of one database. dataset: None for that of somebody else."""

    server: Server
    template: str
    project: Project
    dataset: Dataset | None = None

    def measured(self, *statements: str, project: Project | None = None, role: str | None = None) -> Snapshot:
        request, project = Request(role=role), project or self.project
        with altered(self.server, self.template, *statements) as name:
            if self.dataset is None:
                return measure_database(self.server, name, project, request)
            return measure_migrated(self.server, name, self.dataset, project, request)

    def timed(self, trial: Trial, project: Project, query: str) -> Comparison:
        """Of a query in the same words on both sides."""
        cases = time_cases(self.server, trial, (project, project), [query], tolerated=0.1, budget_s=_SECONDS)
        changes = [change for case in cases if (change := case.as_change())]
        return Comparison(ranked(changes), len(changes))


@contextmanager
def shop(server: Server, project: Project) -> Iterator[Head]:
    """A schema that the tool does not know: examples/shop, with a few rows, and rules of every kind."""
    example = project.root / "examples" / "shop"
    with tempfile.TemporaryDirectory(prefix="inboxbench_proof_") as folder, scratch_database(server, "shop") as name:
        queries = Path(folder) / "queries"
        shutil.copytree(example / "queries", queries)
        for file, text in SHOP_FILES.items():
            (queries / file).write_text(text, encoding="utf-8")
        with connect(server.conninfo(name)) as connection:
            for script in ((example / "schema.sql").read_text(encoding="utf-8"), SHOP_ROWS, SHOP_RULES, ROLE):
                connection.execute(script.encode())
        yield Head(server, name, Loose(queries, queries / "indexes.toml"))


def catalogue(server: Server, project: Project, journal: Journal, kinds: Sequence[str] | None = None) -> None:
    """Go on with the regressions, of some kinds (None: of all), that the journal does not know yet."""
    known: dict[tuple[str, bool, str | None], Snapshot] = {}
    done = {entry["name"] for entry in journal.entries(KIND)}
    wanted = [
        regression for regression in (*REGRESSIONS, *WRITE_REGRESSIONS) if kinds is None or regression.kind in kinds
    ]
    left = [regression for regression in wanted if _title(regression) not in done]
    with migrated(server, project, Request()) as (template, dataset), shop(server, project) as foreign:
        head = Head(server, template, project, dataset)
        for regression in left:
            if regression.timed:
                again, found = _timed(head, regression)
            else:
                again, found = _counted(foreign if regression.shop else head, regression, known)
            _note(journal, regression, found.changes, again.of(*CLOSING))
    with connect(server.conninfo()) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {CLERK}".encode())


def _title(regression: Regression) -> str:
    return f"{regression.name} (shop)" if regression.shop else regression.name


def _counted(
    head: Head, regression: Regression, known: dict[tuple[str, bool, str | None], Snapshot]
) -> tuple[Comparison, Comparison]:
    """What changed without it, and with it."""
    before, role = regression.before, regression.role
    key = (before, regression.shop, role)
    if key not in known:
        known[key] = head.measured(before, role=role)
    again = compare(known[key], head.measured(before, role=role), Budgets())
    with edited(head.project, regression) as other:
        found = compare(known[key], head.measured(before, regression.sql, project=other, role=role), Budgets())
    return again, found


def _timed(head: Head, regression: Regression) -> tuple[Comparison, Comparison]:
    with ExitStack() as stack:
        before, same, copy = (
            stack.enter_context(altered(head.server, head.template, regression.before)) for _ in "abc"
        )
        worse = stack.enter_context(altered(head.server, head.template, regression.before, regression.sql))
        both = stack.enter_context(edited(head.project, regression))
        return (
            head.timed(Trial(before, same, copy), both, regression.query),
            head.timed(Trial(before, worse, copy), both, regression.query),
        )


def _note(journal: Journal, regression: Regression, found: Sequence[Change], alarms: Sequence[Change]) -> None:
    fitting = [
        change
        for change in found
        if (change.verdict, change.metric) == regression.expected and change.where.startswith(regression.where)
    ]
    worst = f"{fitting[0].where}: {fitting[0].text}" if fitting else ""
    instead = "; ".join(f"{change.where} {change.metric} {change.text}" for change in found[:2]) or "nothing"
    journal.add(
        KIND,
        name=_title(regression),
        cause=regression.kind,
        belongs=f"{regression.expected[0]}: {regression.expected[1]}",
        caught=bool(fitting),
        worst=worst or instead,
        alarms=[f"{change.where}: {change.text}" for change in alarms],
    )
    said = "caught" if fitting else "MISSED"
    click.echo(f"{_title(regression)}: {said}, {worst or instead}; {len(alarms)} alarms without it")


def table(journal: Journal) -> tuple[list[str], int]:
    """Rows of the table, and how many were missed or alarmed without reason."""
    rows = ["| regression | cause | class it belongs to | caught in it | worst | alarms without it |"]
    rows.append("|---|---|---|---|---|---:|")
    found = journal.entries(KIND)
    for entry in found:
        cells = [entry["name"], entry["cause"], entry["belongs"], "yes" if entry["caught"] else "**missed**"]
        rows.append(f"| {' | '.join(cells)} | {entry['worst']} | {len(entry['alarms'])} |")
    return rows, sum(not entry["caught"] or bool(entry["alarms"]) for entry in found)
