"""`inboxbench race`: what concurrent writers do to each other."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from rich.table import Table

from inboxbench.cli.race_atlas import atlas
from inboxbench.cli.race_explore import explore_command
from inboxbench.cli.race_format import format_option
from inboxbench.cli.race_spec import spec
from inboxbench.cli.session import Session, pass_session, progress_console, results_console
from inboxbench.errors import UsageError
from inboxbench.race import STRATEGIES, RaceResult, find_strategy, require_safe, run_races


@click.group()
def command() -> None:
    """Race strategies for taking the next conversation: who is safe, and what safety costs."""


command.add_command(explore_command)
command.add_command(atlas)
command.add_command(spec)


@command.command()
@format_option
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
@format_option
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
