"""`inboxbench bench`: measure the query families under index sets."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import click

from inboxbench import __version__
from inboxbench.bench import DEFAULT_ROUNDS, Speed
from inboxbench.bench.servers import Side, contrasts
from inboxbench.bench.verdict.verdict import verdict
from inboxbench.cli.bench.decay import decay
from inboxbench.cli.bench.drop_one import drop_one
from inboxbench.cli.bench.growth import growth
from inboxbench.cli.bench.load import load
from inboxbench.cli.bench.markdown import matrix_markdown
from inboxbench.cli.bench.mix import mix_option, wal_page_option, weights_of
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    Source,
    as_is_option,
    check_names,
    check_servers,
    fresh_option,
    hand_over,
    markdown_options,
    queries_option,
    sets_option,
    source_options,
    timeout_option,
)
from inboxbench.cli.bench.servers import measure_side, print_contrast, sides_json
from inboxbench.cli.bench.table import print_matrix
from inboxbench.cli.bench.traps import spring_traps, traps
from inboxbench.cli.bench.user_schema import indexes_option, own_questions
from inboxbench.cli.options import Session, names_in, pass_bench_session
from inboxbench.cli.output import results_console
from inboxbench.cli.project_group import ProjectGroup
from inboxbench.database_copy import is_url
from inboxbench.errors import UsageError
from inboxbench.files import check_writable
from inboxbench.machine import describe_machine


def as_document(side: Side, found: dict[str, Any], begun: dt.datetime) -> dict[str, Any]:
    """The parts of a run's record that a matrix and its verdict fill: `inboxbench report` shows it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "inboxbench", "version": __version__},
        "started_at": begun.isoformat(timespec="seconds"),
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "server": {"label": side.label, "version": side.version},
        "matrix": side.matrix.to_json(),
        "verdict": found,
    }


@click.group("bench", cls=ProjectGroup, invoke_without_command=True)
@source_options
@sets_option
@queries_option
@indexes_option
@click.option("--writes/--no-writes", default=True, show_default=True, help="measure what writes cost, too")
@click.option("--throughput/--no-throughput", default=True, show_default=True, help="writes a second by pgbench, too")
@click.option("--throughput-seconds", default=2, show_default=True, type=click.IntRange(1), help="a family and set")
@mix_option
@wal_page_option
@click.option("--rounds", default=DEFAULT_ROUNDS, show_default=True, type=click.IntRange(1), help="times a cell is run")
@as_is_option
@fresh_option
@click.option(
    "--budget",
    default=90.0,
    show_default=True,
    type=click.FloatRange(min=1),
    help="seconds that reading may take in all, roughly",
)
@timeout_option
@click.option(
    "--traps", "only_traps", is_flag=True, help="the known planner traps instead, as `bench traps` shows them"
)
@markdown_options
@pass_bench_session
@click.pass_context
def command(
    context: click.Context,
    session: Session,
    /,
    *,
    database: str | None,
    allow_foreign: bool,
    profile: str,
    seed: int,
    sets: str | None,
    queries: str | None,
    indexes: Path | None,
    writes: bool,
    throughput: bool,
    throughput_seconds: int,
    mix: str | None,
    wal_page: int,
    rounds: int,
    as_is: bool,
    fresh: bool,
    budget: float,
    timeout: float,
    only_traps: bool,
    form: str,
    output: Path | None,
) -> None:
    """Run every query with every class of parameters under every index set, and say which set to choose.

    A cell that an earlier run measured on the same ground is taken from there: --fresh. With --server given again, the
    same on that one, and what changes from the first.

    Exit code 3 when a query fails, is answered in time under no set, or returns other rows under another set.
    """
    if context.invoked_subcommand:
        _check_place(context)
        return
    if only_traps:
        spring_traps(session, (), verbose=False, form=form, output=output)
        return
    check_writable(output)
    session, queries = own_questions(session, database, queries, indexes)
    chosen, wanted = names_in(sets), names_in(queries)
    own = allow_foreign or is_url(database)
    source = Source(database, profile, seed, allow_foreign, as_is or own)
    check_names(session, source, chosen, wanted)
    check_servers(session)
    begun = dt.datetime.now(dt.UTC)
    weights = weights_of(session, mix, wanted, writes=writes)
    options: dict[str, Any] = {"sets": chosen, "queries": wanted, "writes": writes, "rounds": rounds}
    options |= {"budget_s": budget, "timeout_s": timeout, "speed": Speed(throughput_seconds if throughput else 0)}
    measured = [measure_side(one, source, options, fresh=fresh) for one in session.each()]
    sides, memories = [side for side, _memory in measured], [memory for _side, memory in measured]
    matrix = sides[0].matrix
    found = verdict(matrix, weights, wal_page)
    document = as_document(sides[0], found, begun) | {"memory": [memory.to_json() for memory in memories]}
    if len(sides) > 1:
        verdicts = [verdict(side.matrix, weights, wal_page) for side in sides]
        document |= sides_json(sides, verdicts)

    def show() -> None:
        print_matrix(matrix, found)
        for one in contrasts(sides):
            print_contrast(one, results_console())

    hand_over(document, form, output, show, markdown=lambda: matrix_markdown(matrix, document))
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
