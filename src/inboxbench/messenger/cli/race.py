"""`race bench`: what safety costs, by pgbench; `race costs`: what rules cost; `race million`: a million claims."""

from __future__ import annotations

from pathlib import Path

import click

from inboxbench.cli.bench.options import page_of, show_lab
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, OutputFolder, output_options
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.stress import parse_thinks, parse_workers
from inboxbench.credentials import masked
from inboxbench.errors import UsageError
from inboxbench.files import write_text
from inboxbench.messenger.costs.run_rules import find_rules, run_costs
from inboxbench.messenger.costs.tables import rules_lab
from inboxbench.messenger.throughput.million import Proof, million_lab, prove, require_proof
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
@click.option("--scripts", type=OutputFolder(), help="write the pgbench scripts here, and run nothing")
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
            click.echo(masked(str(path)))
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


@click.command()
@click.option("--rule", "names", multiple=True, help="count only this rule; repeat for more (default: all)")
@click.option("--executions", default=200, show_default=True, help="executions of each way, after it is warm")
@output_options("markdown", default="markdown")
@pass_session
def costs(session: Session, *, names: tuple[str, ...], executions: int, output: Output) -> None:
    """Count what each rule of the messenger costs, beside the other ways to keep it: statements, pages, WAL."""
    rules = find_rules(names, session.project)
    with session.server() as server, progress_console.status("building") as status:
        rows = run_costs(server, rules=rules, executions=executions, project=session.project, progress=status.update)
        label = server.label
    show_lab(output, [row.to_json() for row in rows], lambda _rows: rules_lab(rows, rules, label), label)


_SAFE_AND_FAST = ("skip-locked-one", "skip-locked")


@click.command()
@click.option(
    "--strategy",
    "names",
    multiple=True,
    default=_SAFE_AND_FAST,
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
                write_text(output.file, page_of(million_lab(proofs), server.label), option="--output")
    show_lab(output, [proof.to_json() for proof in proofs], lambda _rows: million_lab(proofs), proofs[0].server)
    require_proof(proofs)
