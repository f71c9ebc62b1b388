"""`inboxbench bench`: measure the query families under index sets."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from inboxbench.bench import DEFAULT_ROUNDS, Speed
from inboxbench.bench.servers import contrasts
from inboxbench.bench.verdict.verdict import decide
from inboxbench.cli.bench.decay import decay
from inboxbench.cli.bench.drop_one import drop_one
from inboxbench.cli.bench.growth import growth
from inboxbench.cli.bench.load import load
from inboxbench.cli.bench.matrix import (
    matrix_document,
    matrix_markdown,
    measure_side,
    print_contrast,
    print_matrix,
    print_rehearsal,
    sides_json,
)
from inboxbench.cli.bench.options import (
    as_is_option,
    fresh_option,
    indexes_option,
    mix_option,
    queries_or_folder_option,
    sets_option,
    source_options,
    subject,
    timeout_option,
    wal_page_option,
    weights_of,
)
from inboxbench.cli.bench.source import Source, check_names, check_servers
from inboxbench.cli.bench.traps import spring_traps, traps
from inboxbench.cli.options import ProjectGroup, Session, pass_bench_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.workload.options import WorkloadOption, workload_options
from inboxbench.database_copy import is_url
from inboxbench.errors import UsageError


@click.group("bench", cls=ProjectGroup, invoke_without_command=True)
@source_options
@sets_option
@queries_or_folder_option
@indexes_option
@workload_options
@click.option(
    "--writes/--no-writes", default=True, show_default=True, help="measure what writes cost under each set, too"
)
@click.option(
    "--throughput/--no-throughput",
    default=True,
    show_default=True,
    help="measure how many writes a second pgbench gets through under each set, too",
)
@click.option(
    "--throughput-seconds",
    default=2,
    show_default=True,
    type=click.IntRange(1),
    help="how long pgbench runs for each family of writes and each set",
)
@mix_option
@wal_page_option
@click.option(
    "--rounds",
    default=DEFAULT_ROUNDS,
    show_default=True,
    type=click.IntRange(1),
    help="how often each query is executed for its time; slow ones less, see --budget",
)
@as_is_option
@click.option(
    "--as-source",
    is_flag=True,
    help="with --database URL: leave as many dead rows and as few all-visible pages as the source has, so that an "
    "index-only scan reads what it would read there now (default: freshly vacuumed)",
)
@click.option(
    "--explain-at-source",
    is_flag=True,
    help="with --database URL: also EXPLAIN the queries at the source, without executing them, and say where its plan "
    "differs from the copy's under the set `current`",
)
@fresh_option
@click.option(
    "--budget",
    default=90.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="about how many seconds all reading may take; slow queries are executed less often for it",
)
@timeout_option
@click.option(
    "--traps", "only_traps", is_flag=True, help="show the known planner traps instead, as `inboxbench bench traps` does"
)
@output_options("markdown", what="the record, which `inboxbench report` shows,")
@pass_bench_session
@click.pass_context
def command(
    context: click.Context,
    session: Session,
    /,
    *,
    source: Source,
    sets: list[str] | None,
    queries: str | None,
    indexes: Path | None,
    workload: WorkloadOption,
    writes: bool,
    throughput: bool,
    throughput_seconds: int,
    mix: str | None,
    wal_page: int,
    rounds: int,
    as_is: bool,
    as_source: bool,
    explain_at_source: bool,
    fresh: bool,
    budget: float,
    timeout: float,
    only_traps: bool,
    output: Output,
) -> None:
    """Run every query with every class of parameters under every index set, and say which set to choose.

    What an earlier run measured with the same code, data and server is taken from there, unless --fresh says otherwise.
    With --server given again: the same on that one, and what changes from the first.

    Exit code 3 when a query fails, is answered in time under no set, or returns other rows under another set.
    """
    if context.invoked_subcommand:
        _check_place(context)
        return
    if only_traps:
        spring_traps(session, (), verbose=False, output=output)
        return
    session, source, wanted = subject(session, replace(source, as_is=as_is), queries, indexes, workload)
    if (as_source or explain_at_source) and not is_url(source.database):
        option = "--as-source" if as_source else "--explain-at-source"
        raise UsageError(f"{option} asks the database that is copied; name it with --database postgresql://…")
    source = replace(source, as_source=as_source, explain_at_source=explain_at_source)
    check_names(session, source, sets, wanted)
    check_servers(session)
    begun = dt.datetime.now(dt.UTC)
    weights = cache(lambda: weights_of(session, mix, wanted, writes=writes))
    if source.workload is None:
        weights()
    options: dict[str, Any] = {"sets": sets, "queries": wanted, "writes": writes, "rounds": rounds}
    options |= {"budget_s": budget, "timeout_s": timeout, "speed": Speed(throughput_seconds if throughput else 0)}
    sessions = session.each()
    several = {"fresh": fresh, "compared": len(sessions) > 1}
    measured = [measure_side(each, source, options, **several, ready=weights) for each in sessions]
    sides, caches = [side for side, _cache in measured], [cache for _side, cache in measured]
    matrix = sides[0].matrix
    verdicts = [decide(side.matrix, weights(), wal_page) for side in sides]
    document = matrix_document(sides[0], verdicts[0], begun) | {"memory": [cache.to_json() for cache in caches]}
    if len(sides) > 1:
        document |= sides_json(sides, verdicts)

    def show(console: Console) -> None:
        print_matrix(matrix, document, console)
        for contrast in contrasts(sides):
            print_contrast(contrast, console)
        print_rehearsal(document, console)

    output.hand_over(document, text=show, markdown=lambda: matrix_markdown(matrix, document))
    for side in sides:
        side.matrix.require_sound()


def _check_place(context: click.Context) -> None:
    """An option before the subcommand would be that of `bench` alone and be lost."""
    for name in context.params:
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            sub = context.invoked_subcommand
            option = {"form": "format", "only_traps": "traps"}.get(name, name)
            raise UsageError(f"--{option} stands before {sub!r}; put it behind: inboxbench bench {sub} --{option} …")


command.add_command(decay)
command.add_command(drop_one)
command.add_command(growth)
command.add_command(load)
command.add_command(traps)
