"""`inboxbench race million`: claims without a double assignment, shown once, by a command that anyone can run again."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from inboxbench import __version__
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.format import format_option
from inboxbench.errors import UsageError
from inboxbench.machine import describe_machine
from inboxbench.messenger.throughput.million import Proof, prove, require_proof
from inboxbench.race import find_strategy

_COLUMNS = ("claims", "twice", "attempts", "rounds", "seconds", "distinct per s")
_FAST = ("skip-locked-one", "skip-locked")


def _cells(proof: Proof) -> list[str]:
    figures = (proof.claims, proof.doubles, proof.attempts, proof.rounds)
    return [*(f"{figure:,}" for figure in figures), f"{proof.seconds:,.1f}", f"{proof.per_s:,.0f}"]


def _name(proof: Proof) -> str:
    return f"{proof.strategy} (control)" if proof.control else proof.strategy


def _table(proofs: Sequence[Proof]) -> Table:
    first = proofs[0]
    table = Table(title_justify="left", title=f"Claims by {first.workers} clients of pgbench on {first.server}")
    table.add_column("strategy", no_wrap=True)
    for heading in _COLUMNS:
        table.add_column(heading, justify="right")
    for proof in proofs:
        table.add_row(_name(proof), *_cells(proof), style="red" if proof.doubles else "")
    return table


def _markdown(proofs: Sequence[Proof]) -> str:
    """What was run, where and when, and what came out: the page kept under bench/results."""
    machine, first = describe_machine(), proofs[0]
    rows = [f"| {_name(proof)} | {' | '.join(_cells(proof))} |" for proof in proofs]
    return "\n".join(
        [
            "# Claims without a double assignment",
            "",
            f"- Command: `inboxbench {shlex.join(sys.argv[1:])}`",
            f"- Date: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, inboxbench {__version__}",
            f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GiB, {machine['os']}",
            f"- Server: {first.server}; {first.workers} clients of pgbench, no application time in the transaction",
            "",
            f"| strategy | {' | '.join(_COLUMNS)} |",
            f"|---|{'---:|' * len(_COLUMNS)}",
            *rows,
            "",
            "Every claim appends to its row's own list in the UPDATE that makes it; *twice* counts the entries of",
            "those lists that replaced a holder. The control reads a free conversation and then writes, and must be",
            "caught, or the zeros would prove nothing. *attempts*: transactions, with those that lost or were tried",
            "again.",
            "",
        ]
    )


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output {path}: cannot be written: {error.strerror}; name another file") from error


@click.command()
@click.option(
    "--strategy", "names", multiple=True, default=_FAST, show_default=True, help="a safe one; repeat for more"
)
@click.option("--claims", default=1_000_000, show_default=True, help="of each strategy")
@click.option("--workers", default=16, show_default=True, help="concurrent clients of pgbench")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="write the result here as Markdown")
@format_option
@pass_session
def million(
    session: Session, *, names: tuple[str, ...], claims: int, workers: int, output: Path | None, form: str
) -> None:
    """Make a million claims of each safe strategy, and look in every row for one that took what somebody held.

    The naive strategy goes first, as the control that must be caught. Exit code 1 when a safe strategy assigned
    anything twice, 3 when the control was not caught.
    """
    for name in names:
        find_strategy(name)
    if output and not output.parent.is_dir():  # a wrong path is said before minutes of work
        raise UsageError(f"--output {output}: there is no folder {output.parent}; make it first")
    proofs: list[Proof] = []
    with session.server() as server, progress_console.status("preparing") as status:
        tell = status.update
        for proof in prove(
            server, strategies=names, claims=claims, workers=workers, project=session.project, progress=tell
        ):
            proofs.append(proof)
            if output:  # after each: an interrupted run keeps what it has shown
                _write(output, _markdown(proofs))
    if form == "json":
        click.echo(json.dumps([proof.to_json() for proof in proofs], indent=2))
    else:
        results_console().print(_table(proofs))
    require_proof(proofs)
