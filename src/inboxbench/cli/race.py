"""`inboxbench race`: what concurrent writers do to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from psycopg import IsolationLevel
from rich.table import Table

from inboxbench.cli.session import Session, pass_session, progress_console, results_console
from inboxbench.database import connect, scratch_database
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.messenger.invariants import read_invariants
from inboxbench.race import STRATEGIES, RaceResult, find_strategy, require_safe, run_races
from inboxbench.race.bouts import bout
from inboxbench.race.custom import load_function, rebuild_reset, run_script, script_reset
from inboxbench.race.explore import LIMIT_S, Bounds, Counterexample, Exploration, Scenario, explore, replay
from inboxbench.race.lab import open_lab
from inboxbench.race.oracle import query_is_empty
from inboxbench.race.trace import explain
from inboxbench.server import Server
from inboxbench.sqlfile import read_text

# Where a scenario is played: the database's connection string, and the scenario.
Ring = tuple[str, Scenario]


@click.group()
def command() -> None:
    """Race strategies for taking the next conversation: who is safe, and what safety costs."""


_format = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="how to print"
)


@command.command()
@_format
def strategies(form: str) -> None:
    """List the strategies, whether each is safe, and why."""
    if form == "json":
        rows = [
            {"name": s.name, "title": s.title, "meaning": s.meaning, "safe": s.safe, "why": s.why}
            for s in STRATEGIES.values()
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table("strategy", "safe", "what it does", "why", title="Taking the next unassigned conversation")
    for strategy in STRATEGIES.values():
        verdict = "[green]yes[/]" if strategy.safe else "[red]no[/]"
        table.add_row(strategy.name, verdict, strategy.meaning, strategy.why)
    results_console().print(table)


def _parse_workers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--workers {text!r}: expected whole numbers with commas between, such as 16,64") from None


def _figure(value: float, digits: int = 0) -> str:
    return "–" if value != value else f"{value:,.{digits}f}"  # noqa: PLR0124  (NaN alone differs from itself)


def _row(result: RaceResult) -> list[str]:
    doubles = f"[red]{result.doubles:,}[/]" if result.doubles else "[green]0[/]"
    return [
        str(result.workers),
        STRATEGIES[result.strategy].title,
        f"{result.assigned:,}",
        doubles,
        f"{result.retries:,}",
        str(result.deadlocks),
        str(result.serialization_failures),
        _figure(result.per_s),
        _figure(result.p50_ms, 1),
        _figure(result.p99_ms, 1),
        _figure(result.fairness, 2),
    ]


def _table(results: Sequence[RaceResult]) -> Table:
    first = results[0]
    table = Table(
        title=f"Taking the next conversation on {first.server}, {first.think_ms:g} ms of application time inside"
    )
    for heading in ("workers", "strategy"):
        table.add_column(heading, justify="right" if heading == "workers" else "left")
    for heading in ("assigned", "twice", "retries", "deadlocks", "aborts", "per s", "p50 ms", "p99 ms", "fairness"):
        table.add_column(heading, justify="right")
    for before, result in zip([None, *results], results, strict=False):
        if before is not None and before.workers != result.workers:
            table.add_section()
        table.add_row(*_row(result))
    return table


def _print_legend(results: Sequence[RaceResult]) -> None:
    most = max((result for result in results if result.safe), key=lambda result: result.per_s, default=None)
    console = results_console()
    console.print(
        "twice: assigned to a second agent while a first one held it, by the rows' own history.  "
        "per s: distinct conversations.  fairness: 1 = every worker got as many."
    )
    if most is not None:
        title = STRATEGIES[most.strategy].title
        console.print(
            f"Fastest safe strategy: [bold]{title}[/], {most.per_s:,.0f} a second with {most.workers} workers."
        )


@command.command()
@click.option("--strategy", "names", multiple=True, help="one of `race strategies`; repeat for more (default: all)")
@click.option("--workers", default="16,64", show_default=True, help="numbers of concurrent workers")
@click.option("--conversations", default=4000, show_default=True, help="length of the queue in each round")
@click.option("--think-ms", default=2.0, show_default=True, help="application time inside the transaction")
@click.option("--seconds", default=1.0, show_default=True, help="a round ends then, or when the queue is empty")
@_format
@pass_session
def stress(
    session: Session,
    *,
    names: tuple[str, ...],
    workers: str,
    conversations: int,
    think_ms: float,
    seconds: float,
    form: str,
) -> None:
    """Set many workers on one inbox and count what is assigned twice.

    Exit code 1 when a strategy that is meant to be safe assigned anything twice, 3 when a strategy fails.
    """
    for name in names:
        find_strategy(name)
    counts = _parse_workers(workers)
    with session.server() as server, progress_console.status("preparing") as status:
        results = run_races(
            server,
            strategies=names or tuple(STRATEGIES),
            workers=counts,
            conversations=conversations,
            think_ms=think_ms,
            seconds=seconds,
            project=session.project,
            progress=status.update,
        )
    if form == "json":
        click.echo(json.dumps([result.to_json() for result in results], indent=2))
    else:
        results_console().print(_table(results))
        _print_legend(results)
    require_safe(results)


_LEVELS = {
    "rc": IsolationLevel.READ_COMMITTED,
    "rr": IsolationLevel.REPEATABLE_READ,
    "ser": IsolationLevel.SERIALIZABLE,
}


@dataclass(frozen=True, slots=True)
class Files:
    """What belongs to a function of the user's."""

    setup: Path | None
    reset: Path | None
    invariant: str | None


@contextmanager
def _strategy_ring(session: Session, server: Server, name: str, sessions: int, level: str | None) -> Iterator[Ring]:
    """A strategy of ours after the only conversation of an inbox."""
    strategy = find_strategy(name)
    invariants = read_invariants(session.project.schema / "invariants.sql")
    with open_lab(server, session.project, sessions) as lab:
        yield lab.conninfo, bout(strategy, lab, invariants, sessions=sessions, level=_LEVELS[level] if level else None)


@contextmanager
def _custom_ring(server: Server, target: str, sessions: int, level: str | None, files: Files) -> Iterator[Ring]:
    """A function of the user's, in a database that their setup script builds."""
    function = load_function(target)
    if files.setup is None or files.invariant is None:
        raise UsageError(f"{target}: name --setup FILE (tables and rows) and --invariant QUERY (the offending rows)")
    reset = script_reset(files.reset) if files.reset else rebuild_reset(files.setup)
    scenario = Scenario((function,) * sessions, reset, query_is_empty(files.invariant), _LEVELS[level or "rc"])
    with scratch_database(server, "explore") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as connection:
            run_script(connection, read_text(files.setup), files.setup)
        yield conninfo, scenario


def _print_exploration(found: Exploration, title: str) -> None:
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
    if not found.complete:
        console.print("[yellow]A bound was met, so schedules beyond it are not known.[/]")
    if found.counterexample:
        console.print("\nThe simplest one that breaks it:")
        _print_example(found.counterexample)


def _print_example(example: Counterexample) -> None:
    for line in explain(example):
        click.echo(line)


@command.command("explore")
@click.argument("target")
@click.option("--sessions", default=2, show_default=True, type=click.IntRange(1, 6), help="concurrent sessions")
@click.option("--level", type=click.Choice(list(_LEVELS)), help="isolation level (default: the strategy's, or rc)")
@click.option("--invariant", help="for a function of yours: a query that returns the offending rows")
@click.option("--setup", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="tables and rows")
@click.option("--reset", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="put the rows back")
@click.option("--schedule", help="play this one schedule instead, such as ABBA (small letter: the session dies)")
@click.option("--preemptions", type=click.IntRange(0), help="leave a session that could go on at most this often")
@click.option("--max-schedules", type=click.IntRange(1), help="stop after as many")
@click.option("--deaths", default=0, type=click.IntRange(0, 3), help="sessions that may be killed in one schedule")
@click.option("--limit", "limit_s", default=LIMIT_S, show_default=True, help="seconds that one schedule may take")
@_format
@pass_session
def explore_command(
    session: Session,
    *,
    target: str,
    sessions: int,
    level: str | None,
    invariant: str | None,
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
    files = Files(setup, reset, invariant)
    with session.server() as server:
        if ":" in target:
            ring = _custom_ring(server, target, sessions, level, files)
        else:
            ring = _strategy_ring(session, server, target, sessions, level)
        with ring as (conninfo, scenario):
            if schedule:
                example = replay(conninfo, scenario, schedule, limit_s=limit_s)
                _print_example(example)
                return
            with progress_console.status("exploring"):
                found = explore(conninfo, scenario, bounds)
    if form == "json":
        click.echo(json.dumps(found.to_json(), indent=2))
    else:
        _print_exploration(found, target)
    if found.bad:
        raise ThresholdExceeded(f"{target}: {found.bad} of {found.schedules} schedules break the invariant")
