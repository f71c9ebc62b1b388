"""`inboxbench bench drop-one`: which indexes of a set are missed when they go, and what that saves."""

from __future__ import annotations

from functools import partial

import click

from inboxbench.bench import run_ablation
from inboxbench.bench.drop_one import drop_one_lab
from inboxbench.bench.model import require_none
from inboxbench.bench.sets.catalogue import read_catalogue
from inboxbench.cli.bench.options import SCHEMA_VERSION, queries_option, show_lab, source_options, timeout_option
from inboxbench.cli.bench.source import Source, check_names, opened_database
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting


@click.command(name="drop-one")
@click.argument("sets", nargs=-1, required=True)
@source_options
@queries_option
@click.option(
    "--writes/--no-writes", default=True, show_default=True, help="measure what writes save without each index, too"
)
@timeout_option
@output_options("markdown")
@pass_session
def drop_one(
    session: Session,
    /,
    *,
    sets: tuple[str, ...],
    source: Source,
    queries: list[str] | None,
    writes: bool,
    timeout: float,
    output: Output,
) -> None:
    """Remove every index of SETS in turn: which query loses, what writes and disk gain, which nothing uses.

    Judged by the queries and writes of bench/ alone: an index may serve what is not measured, and then the table says
    what it is there for. Exit code 3 when a query fails.
    """
    check_names(session, source, list(sets), queries)
    chosen = read_catalogue(session.project.schema / "indexes.toml").choose(sets)
    measure = partial(run_ablation, queries=queries, writes=writes, timeout_s=timeout, role=source.role)
    ablations = []
    with session.server() as server, opened_database(session, server, source) as name:
        for index_set in chosen:
            with counting() as progress:
                ablations.append(measure(server, name, session.project, index_set, progress=progress))
        label = server.label
    document = {"schema_version": SCHEMA_VERSION, "drop_one": [ablation.to_json() for ablation in ablations]}
    show_lab(output, document, drop_one_lab, label)
    require_none([failure for ablation in ablations for failure in ablation.failures])
