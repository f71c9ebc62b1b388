"""`inboxbench race explore`: every feasible schedule of a few sessions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.format import format_option
from inboxbench.cli.race.oracle import Law, known_invariants
from inboxbench.database import connect, scratch_database
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.messenger.races.assignment_database import open_lab
from inboxbench.messenger.races.strategies import find_strategy
from inboxbench.messenger.races.strategy_scenario import assignment_holds, bout
from inboxbench.race.atlas import LEVELS, Level
from inboxbench.race.explore.model import LIMIT_S, Bounds, Scenario
from inboxbench.race.explore.result import Counterexample, Exploration, explain
from inboxbench.race.explore.run import explore, replay
from inboxbench.race.explore.user_code import Script, load_function, rebuild_by, reset_by
from inboxbench.server import Server

# Where a scenario is played: the database's connection string, and the scenario.
Ring = tuple[str, Scenario]


@dataclass(frozen=True, slots=True)
class Files:
    """What belongs to a function of the user's."""

    setup: Path | None
    reset: Path | None


@contextmanager
def _strategy_ring(
    session: Session, server: Server, name: str, *, sessions: int, level: Level | None, law: Law
) -> Iterator[Ring]:
    """A strategy of ours after the only conversation of an inbox."""
    strategy = find_strategy(name)
    invariants = dict(law.known)
    oracle = law.appoint(assignment_holds(invariants))
    with open_lab(server, session.project, sessions) as lab:
        chosen = LEVELS[level] if level else None
        yield lab.conninfo, bout(strategy, lab, invariants, sessions=sessions, level=chosen, oracle=oracle)


@contextmanager
def _custom_ring(
    server: Server, target: str, *, sessions: int, level: Level | None, law: Law, files: Files
) -> Iterator[Ring]:
    """A function of the user's, in a database that their setup script builds."""
    function = load_function(target)
    if files.setup is None:
        raise UsageError(f"{target}: name --setup FILE, the script that makes its tables and rows")
    setup = Script.read(files.setup)
    reset = reset_by(Script.read(files.reset)) if files.reset else rebuild_by(setup)
    scenario = Scenario((function,) * sessions, reset, law.appoint(), LEVELS[level or "rc"])
    with scratch_database(server, "explore") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as connection:
            setup.run(connection)
        yield conninfo, scenario


def remarks(found: Exploration) -> Iterator[str]:
    """What takes from the weight of a verdict."""
    if found.vacuous:
        yield "[yellow]No two sessions were ever under way at once, so this proves nothing.[/]"
    if not found.complete:
        yield "[yellow]A bound was met, so schedules beyond it are not known.[/]"


def print_exploration(found: Exploration, title: str) -> None:
    console = results_console()
    verdict = (
        f"[red]{found.bad}[/] of {found.schedules} feasible schedules break it"
        if found.bad
        else (f"[green]none[/] of {found.schedules} feasible schedules breaks it")
    )
    console.print(f"{title}: {verdict}.")
    console.print(
        f"If nobody ever waited there would be {found.permutations}. A session waited in {found.waited}, "
        f"was refused in {found.aborted} ({found.deadlocked} by a deadlock); {found.diverged} diverged."
    )
    for remark in remarks(found):
        console.print(remark)
    if found.counterexample:
        console.print("\nThe simplest one that breaks it:")
        _print_example(found.counterexample)


def _print_example(example: Counterexample) -> None:
    for line in explain(example):
        click.echo(line)


@click.command("explore")
@click.argument("target")
@click.option("--sessions", default=2, show_default=True, type=click.IntRange(1, 6), help="concurrent sessions")
@click.option("--level", type=click.Choice(list(LEVELS)), help="isolation level (default: the strategy's, or rc)")
@click.option("--invariant", help="a query that returns the offending rows; or one of schema/invariants.sql; or clocks")
@click.option(
    "--oracle",
    type=click.Choice(["invariant", "serial"]),
    help="who judges; serial: it must come to what some order of the sessions, one after another, comes to "
    "(default: the invariant, serial without one)",
)
@click.option("--observe", "tables", multiple=True, help="with --oracle serial: compare this table (default: all)")
@click.option("--setup", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="tables and rows")
@click.option("--reset", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="put the rows back")
@click.option("--schedule", help="play this one schedule instead, such as ABBA (small letter: the session dies)")
@click.option("--preemptions", type=click.IntRange(0), help="leave a session that could go on at most this often")
@click.option("--max-schedules", type=click.IntRange(1), help="stop after as many")
@click.option("--deaths", default=0, type=click.IntRange(0, 3), help="sessions that may be killed in one schedule")
@click.option("--limit", "limit_s", default=LIMIT_S, show_default=True, help="seconds that one schedule may take")
@format_option
@pass_session
def explore_command(
    session: Session,
    *,
    target: str,
    sessions: int,
    level: Level | None,
    invariant: str | None,
    oracle: Literal["invariant", "serial"] | None,
    tables: tuple[str, ...],
    setup: Path | None,
    reset: Path | None,
    schedule: str | None,
    preemptions: int | None,
    max_schedules: int | None,
    deaths: int,
    limit_s: float,
    form: str,
) -> None:
    """Play every feasible schedule of TARGET: a strategy, or your own MODULE:FUNCTION.

    A function takes a connection (and a session number, if it asks for one) and returns its outcome; it neither
    commits nor rolls back. Exit code 1 when a schedule breaks the invariant, 3 when the function itself fails.
    """
    bounds = Bounds(preemptions, max_schedules, deaths, limit_s)
    law, files = Law(oracle, invariant, tables, known_invariants(session.project)), Files(setup, reset)
    with session.server() as server:
        if ":" in target:
            ring = _custom_ring(server, target, sessions=sessions, level=level, law=law, files=files)
        else:
            ring = _strategy_ring(session, server, target, sessions=sessions, level=level, law=law)
        with ring as (conninfo, scenario):
            if schedule:
                example = replay(conninfo, scenario, schedule, limit_s=limit_s)
                _print_example(example)
                if example.complaints:
                    raise ThresholdExceeded(f"{target}: schedule {schedule} breaks {law.name(scenario.oracle)}")
                return
            with progress_console.status("exploring"):
                found = explore(conninfo, scenario, bounds)
    if form == "json":
        click.echo(json.dumps(found.to_json(), indent=2))
        for remark in remarks(found):
            progress_console.print(remark)
    else:
        print_exploration(found, target)
    if found.bad:
        raise ThresholdExceeded(
            f"{target}: {found.bad} of {found.schedules} schedules break {law.name(scenario.oracle)}"
        )
