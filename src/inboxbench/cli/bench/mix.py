"""`--mix` of the bench commands: the requests that a recommendation is for."""

from __future__ import annotations

import click

from inboxbench.bench.verdict.pareto import WAL_PER_PAGE
from inboxbench.bench.workload.mix import Weights, check_weights, parse_weights, project_weights
from inboxbench.bench.workload.queries import read_workload
from inboxbench.bench.workload.writes import read_writes
from inboxbench.cli.options import Session

mix_option = click.option(
    "--mix",
    metavar="NAME=WEIGHT,…",
    help="requests to choose for: list=60,writes=20 or 80:20 (default: bench/mix.toml)",
)
wal_page_option = click.option(
    "--wal-page",
    default=WAL_PER_PAGE,
    show_default=True,
    type=click.IntRange(1),
    help="bytes of WAL that count as one page",
)


def weights_of(session: Session, text: str | None, queries: list[str] | None, *, writes: bool) -> Weights:
    """Before the work: the user's mix, of what is going to be measured, or the project's. Raises UsageError."""
    if text is None:
        return project_weights(session.project)
    weights = parse_weights(text)
    changes = read_writes(session.project) if writes else ()
    check_weights(weights, read_workload(session.project, queries).queries, changes)
    return weights
