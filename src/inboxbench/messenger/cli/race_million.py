"""`inboxbench race million`: claims without a double assignment, shown once, by a command that anyone can run again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, heading, output_options, table
from inboxbench.cli.progress import progress_console
from inboxbench.files import write_text
from inboxbench.messenger.throughput.million import Proof, prove, require_proof
from inboxbench.race.strategy import find_strategies

_COLUMNS = ("claims", "twice", "attempts", "rounds", "seconds", "distinct per s")
_FAST = ("skip-locked-one", "skip-locked")


def _cells(proof: Proof) -> list[str]:
    figures = (proof.claims, proof.doubles, proof.attempts, proof.rounds)
    return [*(f"{figure:,}" for figure in figures), f"{proof.seconds:,.1f}", f"{proof.per_s:,.0f}"]


def _name(proof: Proof) -> str:
    return f"{proof.strategy} (control)" if proof.control else proof.strategy


def _table(proofs: Sequence[Proof]) -> Table:
    first = proofs[0]
    shown = Table(title_justify="left", title=f"Claims by {first.workers} clients of pgbench on {first.server}")
    shown.add_column("strategy", no_wrap=True)
    for title in _COLUMNS:
        shown.add_column(title, justify="right")
    for proof in proofs:
        shown.add_row(_name(proof), *_cells(proof), style="red" if proof.doubles else "")
    return shown


def _markdown(proofs: Sequence[Proof], begun: dt.datetime) -> str:
    """Return the page kept under bench/results: what was run, where and when, and what came out."""
    first = proofs[0]
    server = f"{first.server}; {first.workers} clients of pgbench, no application time in the transaction"
    rows = [[_name(proof), *_cells(proof)] for proof in proofs]
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
                write_text(output.file, _markdown(proofs, begun) + "\n", option="--output")

    def show(console: Console) -> None:
        console.print(_table(proofs))

    output.hand_over([proof.to_json() for proof in proofs], text=show, markdown=lambda: _markdown(proofs, begun))
    require_proof(proofs)
