"""`inboxbench bench decay`: what is left of fresh figures after writes, without VACUUM and with it."""

from __future__ import annotations

from pathlib import Path

import click

from inboxbench.bench import read_churn, run_decay
from inboxbench.bench.decay_lab import decay_lab
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    indexes_option,
    queries_or_folder_option,
    sets_option,
    show_lab,
    source_options,
    subject,
    timeout_option,
)
from inboxbench.cli.bench.source import Source, check_names, opened_database
from inboxbench.cli.options import Session, pass_measuring_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting


@click.command()
@source_options
@sets_option
@queries_or_folder_option
@indexes_option
@click.option(
    "--churn",
    "churn_text",
    metavar="WRITE=N,…",
    help="how often to execute which writes of bench/writes between the readings (default: each of them 1000 times)",
)
@timeout_option
@output_options("markdown")
@pass_measuring_session
def decay(
    session: Session,
    /,
    *,
    source: Source,
    sets: list[str] | None,
    queries: str | None,
    indexes: Path | None,
    churn_text: str | None,
    timeout: float,
    output: Output,
) -> None:
    """Read everything fresh, after a declared churn without VACUUM, and after VACUUM: the worst first.

    The same writes hit the same rows in the same order, so counters come out the same on every run. Exit code 3 when
    a query or a write fails.
    """
    session, source, wanted = subject(session, source, queries, indexes)
    check_names(session, source, sets, wanted)
    churn = read_churn(session.project, churn_text)
    with session.server() as server, opened_database(session, server, source) as name, counting() as progress:
        found = run_decay(
            *(server, name, session.project, churn),
            sets=sets,
            queries=wanted,
            timeout_s=timeout,
            role=source.role,
            as_is=source.as_is,
            progress=progress,
        )
        label = server.label
    show_lab(output, {"schema_version": SCHEMA_VERSION, "decay": found.to_json()}, decay_lab, label)
    found.require_sound()
