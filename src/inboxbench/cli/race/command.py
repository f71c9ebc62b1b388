"""`inboxbench race`: what concurrent writers do to each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click
from rich.console import Console

from inboxbench.cli.options import ProjectGroup, Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.explore import explore_command, show_exploration
from inboxbench.cli.race.stress import stress_command
from inboxbench.database import scratch_database
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.files import read_text
from inboxbench.race.atlas import ALL, LEVELS, Cell, Family, Level, find_families, require_claims, run_atlas
from inboxbench.race.explore.model import Bounds
from inboxbench.race.explore.oracle import query_is_empty
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore
from inboxbench.race.isolationtester.parser import Spec, parse_spec_file
from inboxbench.race.isolationtester.permutations import run_spec
from inboxbench.race.isolationtester.scenario import spec_scenario
from inboxbench.race.strategy import find_strategies
from inboxbench.report.table import Cell as Shown
from inboxbench.report.table import Row, Table, print_table, words
from inboxbench.server import Server


def _explore(server: Server, spec: Spec, invariant: str, bounds: Bounds) -> Exploration:
    with scratch_database(server, "spec") as name:
        return explore(server.conninfo(name), spec_scenario(spec, query_is_empty(invariant)), bounds)


def _run(server: Server, spec: Spec) -> None:
    with scratch_database(server, "spec") as name:
        run_spec(spec, server.conninfo(name), click.echo, lambda line: click.echo(line, err=True))


def _run_all(server: Server, specs: Sequence[Spec]) -> None:
    """Run the specs one after another. One that fails is named, and the others run all the same."""
    failures: list[SubjectFailed] = []
    for spec in specs:
        try:
            _run(server, spec)
        except SubjectFailed as error:
            failures.append(error)
            if len(specs) > 1:
                click.echo(f"error: {error}", err=True)
    if failures and len(specs) > 1:
        raise SubjectFailed(f"{len(failures)} of {len(specs)} specs did not come to their end: see above")
    if failures:
        raise failures[0]


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--explore", "whole", is_flag=True, help="play all feasible schedules instead of the listed permutations")
@click.option("--invariant", help="with --explore: a query that returns the offending rows")
@click.option("--preemptions", type=click.IntRange(0), help="with --explore: leave a session at most this often")
@output_options()
@pass_session
def spec(
    session: Session,
    *,
    files: tuple[Path, ...],
    whole: bool,
    invariant: str | None,
    preemptions: int | None,
    output: Output,
) -> None:
    """Run race specifications in the format of PostgreSQL's isolationtester, and print what it prints.

    Each file has a database of its own, with the settings of pg_isolation_regress; a spec that names the database
    isolation_regression or contrib_regression means this one. With --explore: exit code 1 when a schedule breaks the
    invariant.
    """
    if whole and invariant is None:
        raise UsageError("--explore needs --invariant QUERY, which returns the rows that must not be there")
    if output.file and not whole:
        raise UsageError("--output goes with --explore; without it what isolationtester prints goes to stdout")
    specs = [parse_spec_file(path, read_text(path)) for path in files]
    with session.server() as server:
        if not whole:
            _run_all(server, specs)
            return
        explorations = {
            str(parsed.path): _explore(server, parsed, invariant or "", Bounds(preemptions)) for parsed in specs
        }

    def show(console: Console) -> None:
        for path, exploration in explorations.items():
            show_exploration(console, exploration, path)

    output.hand_over({path: exploration.to_json() for path, exploration in explorations.items()}, text=show)
    for path, exploration in explorations.items():
        if exploration.bad:
            raise ThresholdExceeded(f"{path}: {exploration.bad} schedules break the invariant")


_TITLES: dict[Level, str] = {"rc": "READ COMMITTED", "rr": "REPEATABLE READ", "ser": "SERIALIZABLE"}


def _mark(cell: Cell) -> Shown:
    exploration = cell.exploration
    text = f"{exploration.bad}/{exploration.schedules}"
    if exploration.deadlocked:
        text += f" {exploration.deadlocked} deadlocks"
    elif exploration.aborted:
        text += f" {exploration.aborted} aborts"
    return Shown(text if cell.as_claimed else f"‼ {text}", "bad" if exploration.bad else "good")


def _table(families: Sequence[Family], cells: Sequence[Cell], levels: Sequence[Level]) -> Table:
    entries = {
        (family.name, entry.name): (family.title, entry.meaning) for family in families for entry in family.entries
    }
    rows = []
    for key, row in groupby(cells, key=lambda cell: (cell.family, cell.entry)):
        title, meaning = entries[key]
        rows.append(Row([key[1], meaning, *(_mark(cell) for cell in row)], group=title))
    return Table("The atlas of races", words("way", "what the code does", *(_TITLES[level] for level in levels)), rows)


@click.command()
@click.option("--family", "names", multiple=True, help="explore only this family of races; repeat for more")
@click.option(
    "--level", "levels", multiple=True, type=click.Choice(list(LEVELS)), help="explore only at this isolation level"
)
@output_options()
@pass_session
def atlas(session: Session, *, names: tuple[str, ...], levels: tuple[Level, ...], output: Output) -> None:
    """Explore every strategy of the atlas at every isolation level: bad / feasible schedules.

    Exit code 1 when a strategy that is meant to be safe breaks, or an unsafe one is never caught.
    """
    families = find_families(session.project, names)
    with session.server() as server, progress_console.status("building") as status:
        cells = run_atlas(server, session.project, names=names, levels=levels or ALL, progress=status.update)

    def show(console: Console) -> None:
        print_table(_table(families, cells, levels or ALL), console)
        console.print(_legend(cells))

    output.hand_over([cell.to_json() for cell in cells], text=show)
    require_claims(cells)


def _legend(cells: Sequence[Cell]) -> str:
    schedules = sum(cell.exploration.schedules for cell in cells)
    diverged = sum(cell.exploration.diverged for cell in cells)
    return (
        f"{len(cells)} cells, {schedules} schedules, {diverged} diverged. First: schedules that break the rule, of "
        "those that are feasible; aborts, deadlocks: schedules in which the server refused a session, which has to try "
        "again; ‼: not as the way claims."
    )


@click.group("race", cls=ProjectGroup)
def command() -> None:
    """Race functions and strategies: which are safe, whatever order their steps come in, and what safety costs."""


command.add_command(explore_command)
command.add_command(atlas)
command.add_command(spec)
command.add_command(stress_command)


@command.command()
@output_options()
@pass_session
def strategies(session: Session, *, output: Output) -> None:
    """List the project's strategies, whether each is safe, and why."""
    found = find_strategies(session.project)
    keys = ("name", "title", "meaning", "safe", "why")
    document = [{key: getattr(strategy, key) for key in keys} for strategy in found]
    rows = [Row([strategy.name, _yes(strategy.safe), strategy.meaning, strategy.why]) for strategy in found]
    table = Table("Taking the next free row", words("strategy", "safe", "what it does", "why"), rows)
    output.hand_over(document, text=lambda console: print_table(table, console))


def _yes(safe: bool) -> Shown:
    return Shown("yes", "good") if safe else Shown("no", "bad")
