"""`inboxbench race stress`: many workers at once on a function of your own, or on the project's strategies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from inboxbench import units
from inboxbench.cli.options import Session, numbers_in, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.explore import OracleChoice, invariant_help
from inboxbench.errors import UsageError
from inboxbench.race.explore.model import LEVELS, Level
from inboxbench.race.explore.user_code import Script
from inboxbench.race.strategy import StrategyLoad, find_strategies, find_targets
from inboxbench.race.stress.run import Load, StressResult, require_kept, stress
from inboxbench.report.table import Cell, Column, Row, Table, figures, print_table, words

_ROWS = 4000


def parse_workers(text: str) -> list[int]:
    """Return the numbers of --workers. Raises UsageError."""
    return numbers_in(text, "--workers", int, "16,64")


def parse_thinks(text: str) -> list[float]:
    """Return the milliseconds of --think-ms. Raises UsageError."""
    return numbers_in(text, "--think-ms", float, "0,2")


@click.command("stress")
@click.argument("target", required=False)
@click.option("--strategy", "names", multiple=True, help="stress only this one of `race strategies`; repeat for more")
@click.option("--workers", default="16,64", show_default=True, help="numbers of concurrent workers, a round for each")
@click.option("--rows", type=click.IntRange(1), help=f"of strategies: rows to take in each round (default: {_ROWS})")
@click.option("--conversations", "old_rows", type=int, hidden=True, help="the former name of --rows")
@click.option("--think-ms", help="of strategies: application times inside the transaction, such as 0,2 (default: 2)")
@click.option("--seconds", default=1.0, show_default=True, help="a round ends then, or when nothing is left to do")
@click.option("--attempts", type=click.IntRange(1), help="of a function: how often each worker calls it at most")
@click.option(
    "--setup",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="of a function: SQL script that makes its tables and rows, executed before each round",
)
@click.option("--invariant", help=f"of a function: what must hold after each round; {invariant_help}")
@click.option("--level", type=click.Choice(list(LEVELS)), help="of a function: isolation level (default: rc)")
@output_options()
@pass_session
def stress_command(
    session: Session,
    *,
    target: str | None,
    names: tuple[str, ...],
    workers: str,
    rows: int | None,
    old_rows: int | None,
    think_ms: str | None,
    seconds: float,
    attempts: int | None,
    setup: Path | None,
    invariant: str | None,
    level: Level | None,
    output: Output,
) -> None:
    """Set many workers on TARGET at once: your own MODULE:FUNCTION, or strategies of the project (default: all).

    A function takes a connection (and a worker's number, if it asks for one) and neither commits nor rolls back: each
    call that returns is committed. Exit code 3 when the invariant does not hold after a round, or a target fails;
    1 when a strategy that is meant to be safe gave away a row twice.
    """
    if target is not None and ":" in target:
        _refuse({"--strategy": names, "--rows": rows or old_rows, "--think-ms": think_ms}, f"with {target}")
        load = Load(parse_workers(workers), seconds, attempts)
        _stress_function(session, target, load, setup=setup, invariant=invariant, level=level or "rc", output=output)
        return
    _refuse({"--attempts": attempts, "--setup": setup, "--invariant": invariant, "--level": level}, "with strategies")
    strategies = find_strategies(session.project, [*names, *([target] if target else [])])
    targets = find_targets(session.project)
    queue = StrategyLoad(
        workers=parse_workers(workers),
        rows=next((count for count in (rows, old_rows) if count is not None), _ROWS),
        thinks_ms=parse_thinks("2" if think_ms is None else think_ms),
        seconds=seconds,
    )
    with session.server() as server, progress_console.status("preparing") as status:
        report = targets.stress(server, session.project, strategies, queue, status.update)
    output.hand_over(report.to_json(), text=report.show)
    report.require()


def _refuse(options: dict[str, object], where: str) -> None:
    for option, given in options.items():
        if given:
            raise UsageError(f"{option} means nothing {where}; leave it out")


def _stress_function(
    session: Session,
    target: str,
    load: Load,
    *,
    setup: Path | None,
    invariant: str | None,
    level: Level,
    output: Output,
) -> None:
    if setup is None:
        raise UsageError(f"{target}: name --setup FILE, the script that makes its tables and rows")
    if invariant is None:
        raise UsageError(f"{target}: name --invariant, {invariant_help}")
    judge = OracleChoice.of(session.project, "invariant", invariant).judge_of(invariant)
    with session.server() as server, progress_console.status("preparing") as status:
        results = stress(
            server, target, setup=Script.read(setup), judge=judge, load=load, level=level, progress=status.update
        )
    output.hand_over([result.to_json() for result in results], text=lambda console: _show(console, results))
    require_kept(results)


def _show(console: Console, results: Sequence[StressResult]) -> None:
    first = results[0]
    level = LEVELS[first.level].name.replace("_", " ")
    columns = [
        *figures(units.number, "workers", "committed"),
        Column("rate", units.rate),
        *figures(units.number, "deadlocks", "40001", "refused"),
        *figures(units.millis, "p50", "p99"),
        *figures(units.number, "fair"),
        *words("invariant"),
    ]
    print_table(Table(f"{first.target} on {first.server}, {level}", columns, list(map(_row, results))), console)
    console.print(
        "committed: calls that returned; 40001: refused by the server as not serializable; refused: for another reason "
        "that concurrency brings, such as a unique key. fair: 1 = every worker committed as many (Jain's index)."
    )


def _row(result: StressResult) -> Row:
    counts = (result.workers, result.committed, result.per_s, result.deadlocks, result.serialization_failures)
    verdict = Cell(f"✗ {result.broken[0]}", "bad") if result.broken else Cell("holds", "good")
    return Row([*counts, result.refused, result.p50_ms, result.p99_ms, result.fairness, verdict])
