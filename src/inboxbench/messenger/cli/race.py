"""`race bench`: what safety costs, by pgbench; `race costs`: what rules cost; `race million`: a million claims."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, heading, output_options, table
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.stress import parse_thinks, parse_workers
from inboxbench.errors import UsageError
from inboxbench.files import write_text
from inboxbench.messenger.costs.measure import CostRow
from inboxbench.messenger.costs.run_rules import RULES, find_rules, run_costs
from inboxbench.messenger.throughput.million import Proof, prove, require_proof
from inboxbench.messenger.throughput.pgbench import run_bench
from inboxbench.messenger.throughput.python_workers import run_races
from inboxbench.messenger.throughput.result import RaceReport, RaceResult
from inboxbench.race.strategy import find_strategies, write_scripts


@click.command()
@click.option("--strategy", "names", multiple=True, help="race only this one of `race strategies`; repeat for more")
@click.option("--workers", default="1,4,16,64", show_default=True, help="numbers of concurrent clients")
@click.option("--conversations", default=10_000, show_default=True, help="length of the queue; one too short is grown")
@click.option("--think-ms", default="2", show_default=True, help="application times inside the transaction: 0,2")
@click.option("--seconds", default=2, show_default=True, help="whole seconds of each run")
@click.option(
    "--driver",
    type=click.Choice(["pgbench", "python", "both"]),
    default="pgbench",
    show_default=True,
    help="what the clients are: pgbench's, or workers of Python",
)
@click.option("--scripts", type=click.Path(path_type=Path), help="write the pgbench scripts here, and run nothing")
@output_options()
@pass_session
def bench(
    session: Session,
    *,
    names: tuple[str, ...],
    workers: str,
    conversations: int,
    think_ms: str,
    seconds: int,
    driver: str,
    scripts: Path | None,
    output: Output,
) -> None:
    """Race strategies at 1 to 64 clients of pgbench: assignments a second against double assignments.

    The scripts hold the strategies' own statements; the history in the rows is checked after each run. Exit code 1
    when a strategy that is meant to be safe assigned anything twice, 3 when a strategy fails.
    """
    strategies = find_strategies(session.project, names)
    counts, thinks = parse_workers(workers), parse_thinks(think_ms)
    if scripts:
        if len(thinks) != 1:
            raise UsageError("--scripts: a script holds one application time; name one with --think-ms, such as 2")
        for path in write_scripts(scripts, strategies, thinks[0]):
            click.echo(path)
        return
    chosen = [strategy.name for strategy in strategies]
    results: list[RaceResult] = []
    with session.server() as server, progress_console.status("preparing") as status:
        if driver != "python":
            results += run_bench(
                server,
                strategies=chosen,
                workers=counts,
                conversations=conversations,
                thinks_ms=thinks,
                seconds=seconds,
                project=session.project,
                progress=status.update,
            )
        if driver != "pgbench":
            results += run_races(
                server,
                strategies=chosen,
                workers=counts,
                conversations=conversations,
                think_ms=thinks,
                seconds=seconds,
                project=session.project,
                progress=status.update,
            )
    report = RaceReport(tuple(results), {strategy.name: strategy.title for strategy in strategies})
    output.hand_over(report.to_json(), text=report.show_with_chart)
    report.require()


_SAFE = {True: "✓", False: "✗", None: "–"}
_FIGURES = ("statements", "buffers", "WAL bytes", "ms")
_NOTE = (
    "→ is what the messenger does. statements: that the client sends, BEGIN and COMMIT aside; buffers: 8 kB pages of "
    "tables and indexes touched, also by triggers; ms: median, commit included. ✓ ✗: holds, or breaks, at READ "
    "COMMITTED in the cell of the atlas that is named; – nothing races."
)


def _meaning(row: CostRow) -> str:
    return next(way.meaning for way in RULES[row.rule].alternatives if way.name == row.alternative)


def _name(row: CostRow) -> str:
    return f"{'→ ' if row.ours else '  '}{row.alternative}"


def _figures(row: CostRow) -> list[str]:
    return [f"{row.statements:g}", f"{row.buffers:,.1f}", f"{row.wal_bytes:,.0f}", f"{row.ms:.2f}"]


def _table(rows: Sequence[CostRow], server: str) -> Table:
    shown = Table(title=f"What the messenger's rules cost on {server}")
    shown.add_column("way", no_wrap=True)
    shown.add_column("what it does")
    for title in _FIGURES:
        shown.add_column(title, justify="right")
    shown.add_column("safe")
    for name, ways in groupby(rows, key=lambda row: row.rule):
        rule = RULES[name]
        shown.add_section()
        shown.add_row(f"[bold]{name}[/]", f"[bold]{rule.title}[/], per {rule.unit}")
        for row in ways:
            shown.add_row(_name(row), _meaning(row), *_figures(row), _SAFE[row.safe])
    return shown


def _markdown(rows: Sequence[CostRow], server: str, begun: dt.datetime) -> str:
    """Return the page kept under bench/results: what was run, where and when, and what came out."""
    lines = [*heading("What the messenger's rules cost, and what their alternatives would", server, begun), _NOTE]
    for name, ways in groupby(rows, key=lambda row: row.rule):
        rule = RULES[name]
        lines += ["", f"## {name}: {rule.title} ({', '.join(rule.ids)})", ""]
        lines += [f"| per {rule.unit} | {' | '.join(_FIGURES)} | atlas |", f"|---|{'---:|' * len(_FIGURES)}---|"]
        for row in ways:
            atlas = f"{_SAFE[row.safe]} {row.atlas}" if row.atlas else _SAFE[None]
            way = f"{'**→ ' if row.ours else ''}{row.alternative}{'**' if row.ours else ''}: {_meaning(row)}"
            lines.append(f"| {way} | {' | '.join(_figures(row))} | {atlas} |")
    return "\n".join(lines)


@click.command()
@click.option("--rule", "names", multiple=True, help="count only this rule; repeat for more (default: all)")
@click.option("--executions", default=200, show_default=True, help="executions of each way, after it is warm")
@output_options("markdown", default="markdown")
@pass_session
def costs(session: Session, *, names: tuple[str, ...], executions: int, output: Output) -> None:
    """Count what each rule of the messenger costs, beside the other ways to keep it: statements, pages, WAL."""
    rules, begun = find_rules(names), dt.datetime.now(dt.UTC)
    with session.server() as server, progress_console.status("building") as status:
        rows = run_costs(server, rules=rules, executions=executions, project=session.project, progress=status.update)
        label = server.label

    def show(console: Console) -> None:
        console.print(_table(rows, label))
        console.print(_NOTE)

    output.hand_over([row.to_json() for row in rows], text=show, markdown=lambda: _markdown(rows, label, begun))


_COLUMNS = ("claims", "twice", "attempts", "rounds", "seconds", "distinct per s")
_FAST = ("skip-locked-one", "skip-locked")


def _cells(proof: Proof) -> list[str]:
    figures = (proof.claims, proof.doubles, proof.attempts, proof.rounds)
    return [*(f"{figure:,}" for figure in figures), f"{proof.seconds:,.1f}", f"{proof.per_s:,.0f}"]


def _million_name(proof: Proof) -> str:
    return f"{proof.strategy} (control)" if proof.control else proof.strategy


def _million_table(proofs: Sequence[Proof]) -> Table:
    first = proofs[0]
    shown = Table(title_justify="left", title=f"Claims by {first.workers} clients of pgbench on {first.server}")
    shown.add_column("strategy", no_wrap=True)
    for title in _COLUMNS:
        shown.add_column(title, justify="right")
    for proof in proofs:
        shown.add_row(_million_name(proof), *_cells(proof), style="red" if proof.doubles else "")
    return shown


def _million_markdown(proofs: Sequence[Proof], begun: dt.datetime) -> str:
    """Return the page kept under bench/results: what was run, where and when, and what came out."""
    first = proofs[0]
    server = f"{first.server}; {first.workers} clients of pgbench, no application time in the transaction"
    rows = [[_million_name(proof), *_cells(proof)] for proof in proofs]
    return "\n".join(
        [
            *heading("Claims without a double assignment", server, begun),
            *table(("strategy", *_COLUMNS), rows),
            "",
            "Every claim appends to its row's own list in the UPDATE that makes it; *twice* counts the entries of",
            "those lists that replaced a holder. The control reads a free conversation and then writes, and must be",
            "caught, or the zeros would prove nothing. *attempts*: transactions, with those that lost or were tried",
            "again.",
        ]
    )


@click.command()
@click.option(
    "--strategy",
    "names",
    multiple=True,
    default=_FAST,
    show_default=True,
    help="make the claims by this safe strategy; repeat for more",
)
@click.option("--claims", default=1_000_000, show_default=True, help="claims of each strategy")
@click.option("--workers", default=16, show_default=True, help="concurrent clients of pgbench")
@output_options("markdown", default="markdown")
@pass_session
def million(session: Session, *, names: tuple[str, ...], claims: int, workers: int, output: Output) -> None:
    """Make a million claims of each safe strategy, and look in every row for one that took what somebody held.

    The naive strategy goes first, as the control that must be caught. Exit code 1 when a safe strategy assigned
    anything twice, 3 when the control was not caught.
    """
    find_strategies(session.project, names)  # a wrong name is said before minutes of work
    begun = dt.datetime.now(dt.UTC)
    proofs: list[Proof] = []
    with session.server() as server, progress_console.status("preparing") as status:
        for proof in prove(
            server,
            strategies=names,
            claims=claims,
            workers=workers,
            project=session.project,
            progress=status.update,
        ):
            proofs.append(proof)
            if output.file and output.file_form == "markdown":  # an interrupted run keeps what it has shown
                write_text(output.file, _million_markdown(proofs, begun) + "\n", option="--output")

    def show(console: Console) -> None:
        console.print(_million_table(proofs))

    output.hand_over(
        [proof.to_json() for proof in proofs], text=show, markdown=lambda: _million_markdown(proofs, begun)
    )
    require_proof(proofs)
