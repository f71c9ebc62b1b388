"""`inboxbench bench load`: throughput and percentiles of reads and writes under index sets, by pgbench."""

from __future__ import annotations

from pathlib import Path

import click

from inboxbench.bench.load import LoadPlan, check_operations, load_lab, run_load
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    indexes_option,
    sets_option,
    show_lab,
    source_options,
    subject,
    timeout_option,
)
from inboxbench.cli.bench.source import Source, check_names, opened_database
from inboxbench.cli.options import Session, names_option, pass_measuring_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting


@click.command()
@source_options
@sets_option
@click.option(
    "--queries",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="folder of .sql files to drive, for a --database of your own (default: the project's bench/queries)",
)
@indexes_option
@click.option(
    "--operations",
    callback=names_option,
    help="families of bench/queries and bench/writes to drive, with commas between (default: all)",
)
@click.option(
    "--clients", default=4, show_default=True, type=click.IntRange(1, 64), help="clients of pgbench that work at once"
)
@click.option(
    "--seconds", default=5, show_default=True, type=click.IntRange(1), help="how long each of the two loops lasts"
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="requests a second in the open loop, for all sets alike (default: by --utilisation)",
)
@click.option(
    "--utilisation",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="requests in the open loop without --rate: this share of what the set gets through in the closed loop",
)
@timeout_option
@output_options("markdown")
@pass_measuring_session
def load(
    session: Session,
    /,
    *,
    source: Source,
    sets: list[str] | None,
    queries: Path | None,
    indexes: Path | None,
    operations: list[str] | None,
    clients: int,
    seconds: int,
    rate: float | None,
    utilisation: float,
    timeout: float,
    output: Output,
) -> None:
    """Drive reads and writes with pgbench: throughput in a closed loop, percentiles in an open one.

    In the open loop requests begin by a schedule and a latency counts from its scheduled start, so that a stall
    is seen in all that it held up. Exit code 3 when an operation fails or is answered in time under no set.
    """
    session, source, _names = subject(session, source, str(queries) if queries else None, indexes)
    check_names(session, source, sets, None)
    if source.workload is None:
        check_operations(session.project, operations)
    plan = LoadPlan(clients, seconds, rate, utilisation)
    with session.server() as server, opened_database(session, server, source) as name, counting() as progress:
        found = run_load(
            server,
            name,
            session.project,
            plan,
            sets=sets,
            operations=operations,
            timeout_s=timeout,
            role=source.role,
            as_is=source.as_is,
            progress=progress,
        )
        label = server.label
    show_lab(output, {"schema_version": SCHEMA_VERSION, "load": found.to_json()}, load_lab, label)
    found.require_sound()
