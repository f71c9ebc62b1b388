"""`inboxbench bench drop-one`: which indexes of a set are missed when they go, and what that saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inboxbench.bench import run_ablation
from inboxbench.bench.drop_one import drop_one_lab
from inboxbench.bench.model import require_none
from inboxbench.bench.request import choose_sets
from inboxbench.bench.sets.catalogue import CURRENT
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    indexes_option,
    queries_or_folder_option,
    show_lab,
    source_options,
    subject,
    timeout_option,
)
from inboxbench.cli.bench.source import Source, check_names, opened_database
from inboxbench.cli.options import Session, pass_measuring_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting
from inboxbench.cli.workload.options import WorkloadOption, workload_options
from inboxbench.database import connect
from inboxbench.errors import UsageError


@click.command(name="drop-one")
@click.argument("sets", nargs=-1)
@source_options
@queries_or_folder_option
@indexes_option
@workload_options
@click.option(
    "--writes/--no-writes", default=True, show_default=True, help="measure what writes save without each index, too"
)
@timeout_option
@output_options("markdown")
@pass_measuring_session
def drop_one(
    session: Session,
    /,
    *,
    sets: tuple[str, ...],
    source: Source,
    queries: str | None,
    indexes: Path | None,
    workload: WorkloadOption,
    writes: bool,
    timeout: float,
    output: Output,
) -> None:
    """Remove every index of SETS in turn: which query loses, what writes and disk gain, which nothing uses.

    Judged by the queries and writes of bench/ alone: an index may serve what is not measured, and then the table says
    what it is there for. The set `current` is what the database has, and is taken when a --database is given without
    SETS: which of my indexes can go? Exit code 3 when a query fails.
    """
    session, source, wanted = subject(session, source, queries, indexes, workload)
    if not sets and not source.database:
        raise UsageError("name at least one set of schema/indexes.toml, or `current` for what the database has")
    names = sets or (CURRENT,)
    check_names(session, source, list(names), wanted)
    given: dict[str, Any] = {
        "queries": wanted,
        "writes": writes,
        "timeout_s": timeout,
        "role": source.role,
        "as_is": source.as_is,
    }
    ablations = []
    with session.server() as server, opened_database(session, server, source) as name:
        with connect(server.conninfo(name)) as connection:
            chosen = choose_sets(connection, session.project, names)
        for index_set in chosen:
            with counting() as progress:
                ablations.append(run_ablation(server, name, session.project, index_set, progress=progress, **given))
        label = server.label
    document = {"schema_version": SCHEMA_VERSION, "drop_one": [ablation.to_json() for ablation in ablations]}
    show_lab(output, document, drop_one_lab, label)
    require_none([failure for ablation in ablations for failure in ablation.failures])
