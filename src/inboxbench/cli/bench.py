"""`inboxbench bench`: measure the query families under index sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from inboxbench.cli.seed_progress import SeedProgress
from inboxbench.cli.session import Session, pass_session, progress_console, results_console
from inboxbench.database import require_ours, scratch_database
from inboxbench.errors import UsageError
from inboxbench.measure import DEFAULT_ROUNDS, TIMEOUT_S, Cell, Matrix, run_matrix, verdict
from inboxbench.measure.indexset import read_catalogue
from inboxbench.measure.verdict import amount
from inboxbench.measure.workload import read_workload
from inboxbench.migrate import runner
from inboxbench.seed.dataset import load_dataset
from inboxbench.server import Server

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Source:
    """What to measure on: a database that is at head already, or a profile that is seeded and migrated first."""

    database: str | None
    profile: str
    seed: int
    allow_foreign: bool


@contextmanager
def _database(session: Session, server: Server, source: Source) -> Iterator[str]:
    """The name of a database at head; one made here is gone afterwards, its dataset stays with the server."""
    if source.database:
        if not source.allow_foreign:
            require_ours(server, source.database)
        yield source.database
        return
    with SeedProgress(progress_console) as progress:
        dataset = load_dataset(server, source.profile, source.seed, project=session.project, progress=progress)
    with scratch_database(server, "bench", dataset.name) as name:
        with progress_console.status("migrating to head"):
            runner.upgrade(server.conninfo(name), session.project)
        yield name


@contextmanager
def _counting() -> Iterator[Any]:
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=progress_console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total or None, description=text)


def _names(text: str | None) -> list[str] | None:
    """`a,b` as a list. Raises UsageError when there is nothing between the commas."""
    if text is None:
        return None
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise UsageError(f"{text!r} names nothing; give names with commas between")
    return names


def _write(path: Path, document: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {path}: cannot be written: {error.strerror}") from error


def _check_writable(path: Path | None) -> None:
    """Before minutes of work: is there a folder to write to?"""
    if path is not None and not path.resolve().parent.is_dir():
        raise UsageError(f"--output {path}: the folder {path.resolve().parent} does not exist")


def as_document(matrix: Matrix) -> dict[str, Any]:
    """The parts of a run's record that a matrix fills."""
    return {"schema_version": SCHEMA_VERSION, "matrix": matrix.to_json(), "verdict": verdict(matrix)}


def _figure(cell: Cell) -> Text:
    if cell.plan is None or cell.timing is None:
        return Text("stopped" if cell.stopped else "failed", style="bold red")
    text = Text(f"{cell.plan.buffers:,} · {cell.timing.median_ms:,.2f}")
    if cell.same_rows is False:
        text.append(" other rows", style="bold red")
    return text


def _spread(row: Sequence[Cell]) -> float:
    """How far apart the sets are for a case: the worst buffers over the best; a stopped cell is worst of all."""
    if any(cell.plan is None for cell in row):
        return float("inf")
    buffers = [max(cell.plan.buffers, 1) for cell in row if cell.plan]
    return max(buffers) / min(buffers)


def _rows(matrix: Matrix) -> list[list[Cell]]:
    """Cells by case, the case that the sets differ most in first."""
    cases: dict[str, list[Cell]] = {}
    for cell in matrix.cells:
        cases.setdefault(cell.case.name, []).append(cell)
    return sorted(cases.values(), key=_spread, reverse=True)


def _reads_table(matrix: Matrix) -> Table:
    table = Table(title="buffers · median ms, the widest difference first", title_justify="left")
    table.add_column("query [class]", no_wrap=True)
    for one in matrix.sets:
        table.add_column(one.index_set.name, justify="right", no_wrap=True)
    for row in _rows(matrix):
        table.add_row(Text(row[0].case.name), *(_figure(cell) for cell in row))
    return table


def _known(say: Callable[[float], str], value: float | None) -> str:
    return "–" if value is None else say(value)


def _sets_table(matrix: Matrix) -> Table:
    table = Table(title="what each set costs", title_justify="left")
    table.add_column("set", no_wrap=True)
    for heading in ("indexes", "size", "build s", "WAL/insert", "WAL/update", "inserts/s", "HOT"):
        table.add_column(heading, justify="right")
    for one in matrix.sets:
        table.add_row(
            one.index_set.name,
            str(len(one.built)),
            amount(one.bytes),
            f"{one.build_s:.1f}",
            *(_known(amount, one.wal_bytes(family)) for family in ("insert", "update")),
            _known("{:,.0f}".format, one.insert_per_s),
            _known("{:.0%}".format, one.hot_share),
        )
    return table


def _print(matrix: Matrix) -> None:
    console = results_console()
    console.width = max(console.width, 60 + 22 * len(matrix.sets)) if not console.is_terminal else console.width
    console.print(_reads_table(matrix))
    console.print(_sets_table(matrix))
    found = verdict(matrix)
    console.print(Text(found["headline"], style="bold"))
    for reason in found["reasons"]:
        console.print(Text(f"  {reason}"))
    for note in matrix.notes:
        console.print(Text(f"  left out: {note}", style="dim"))


@click.command()
@click.option("--database", help="a database at head that inboxbench made; it is read, never written")
@click.option("--allow-foreign", is_flag=True, help="take --database NAME even if inboxbench did not make it")
@click.option("--profile", "--dataset", default="small", show_default=True, help="else this, seeded and migrated")
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="of the profile")
@click.option("--sets", help="index sets with commas between (default: those marked so in schema/indexes.toml)")
@click.option("--queries", help="queries or families with commas between (default: all of bench/queries)")
@click.option("--writes/--no-writes", default=True, show_default=True, help="measure what writes cost, too")
@click.option("--rounds", default=DEFAULT_ROUNDS, show_default=True, type=click.IntRange(1), help="times a cell is run")
@click.option("--budget", type=click.FloatRange(min=1), help="seconds that reading may take in all, roughly")
@click.option("--timeout", default=TIMEOUT_S, show_default=True, type=click.FloatRange(0.001), help="seconds a query")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="write the JSON there as well")
@pass_session
def command(
    session: Session,
    /,
    *,
    database: str | None,
    allow_foreign: bool,
    profile: str,
    seed: int,
    sets: str | None,
    queries: str | None,
    writes: bool,
    rounds: int,
    budget: float | None,
    timeout: float,
    form: str,
    output: Path | None,
) -> None:
    """Run every query with every class of parameters under every index set, and say which set to choose.

    Exit code 3 when a query fails, is answered in time under no set, or returns other rows under another set.
    """
    _check_writable(output)
    chosen, wanted = _names(sets), _names(queries)
    read_catalogue(session.project.schema / "indexes.toml").choose(chosen)
    read_workload(session.project, wanted)
    options: dict[str, Any] = {"sets": chosen, "queries": wanted, "writes": writes, "rounds": rounds}
    source = Source(database, profile, seed, allow_foreign)
    with session.server() as server, _database(session, server, source) as name, _counting() as progress:
        matrix = run_matrix(
            server, name, session.project, budget_s=budget, timeout_s=timeout, progress=progress, **options
        )
    if output is not None:
        _write(output, as_document(matrix))
    if form == "json":
        click.echo(json.dumps(as_document(matrix), ensure_ascii=False, indent=1))
    else:
        _print(matrix)
    matrix.require_sound()
