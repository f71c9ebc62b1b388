"""`inboxbench advise`: the index set for a workload, found by measuring."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

from inboxbench.advise.migration import check_migration, migration_text, steps_of
from inboxbench.advise.result import Advice
from inboxbench.advise.run import Asked, Keep, advise
from inboxbench.advise.show import advise_lab
from inboxbench.advise.tables import partitions_of
from inboxbench.cli.advise.rehearsal import rehearsed
from inboxbench.cli.bench.options import (
    fresh_option,
    mix_option,
    queries_or_folder_option,
    source_options,
    subject,
    timeout_option,
    wal_page_option,
    weights_of,
)
from inboxbench.cli.bench.source import Source, cache_of, check_names, open_source, print_reuse
from inboxbench.cli.dryrun.output import show_run
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, OutputFile, heading, output_options
from inboxbench.cli.progress import counting, progress_console
from inboxbench.cli.workload.options import WorkloadOption, workload_options
from inboxbench.credentials import masked, masked_arguments
from inboxbench.database import connect
from inboxbench.dryrun.observe.server_log import check_log
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.files import write_text
from inboxbench.record import as_json
from inboxbench.report.document import lab_markdown, print_lab
from inboxbench.server import parse_spec
from inboxbench.units import read_size, read_time

SCHEMA_VERSION = 1
_INTERRUPTED = 130
_FACTOR = re.compile(r"\s*(\d+(?:\.\d+)?)\s*x?\s*")


def _bytes(_context: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    size = read_size(text)
    if size <= 0:
        raise UsageError("--budget-bytes: no index takes 0 bytes; give a size such as 500MB, or leave it out")
    return int(size)


def _factor(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    match = _FACTOR.fullmatch(text)
    if match is None or float(match[1]) <= 0:
        raise UsageError(f"--budget-wal {text!r} is no factor above 0; write 1.5x for one and a half times today's WAL")
    return float(match[1])


def _seconds(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    seconds = read_time(text) / 1000
    if seconds <= 0:
        raise UsageError("--budget-time: nothing can be tried in no time; give a time such as 10min, or leave it out")
    return seconds


@click.command(name="advise")
@source_options
@queries_or_folder_option
@workload_options
@mix_option
@click.option(
    "--budget-bytes",
    callback=_bytes,
    metavar="SIZE",
    help="most that all secondary indexes together may take, such as 2GB (default: what they are worth)",
)
@click.option(
    "--budget-wal",
    callback=_factor,
    metavar="FACTOR",
    help="most WAL that a write of the mix may cause, as a multiple of today's: 1.5x (default: no limit; it counts as "
    "cost)",
)
@click.option(
    "--budget-time",
    callback=_seconds,
    metavar="TIME",
    help="time after which the search ends with the best set so far, such as 10min; the copy before it and the check "
    "after it are not counted (default: until nothing gains any more)",
)
@click.option(
    "--keep",
    type=click.Choice(["unique", "all"]),
    default="unique",
    show_default=True,
    help="which of the indexes that there are stay whatever they cost: those that are rules, or all",
)
@click.option(
    "--writes/--no-writes", default=True, show_default=True, help="measure what the writes of the project cost, too"
)
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="execute all queries under the present and the advised indexes at the end, one pass after the other, and "
    "compare the processor time",
)
@click.option(
    "--migration",
    type=OutputFile(),
    help="write the migration to the set here: .sql, or .py for an Alembic revision on top of those in its folder",
)
@click.option(
    "--rehearse", is_flag=True, help="run the migration on a clone as `inboxbench dryrun` does, and show what it locks"
)
@fresh_option
@timeout_option
@wal_page_option
@output_options("markdown", what="the advice")
@pass_session
def command(
    session: Session,
    /,
    *,
    source: Source,
    queries: str | None,
    workload: WorkloadOption,
    mix: str | None,
    budget_bytes: int | None,
    budget_wal: float | None,
    budget_time: float | None,
    keep: Keep,
    writes: bool,
    check: bool,
    migration: Path | None,
    rehearse: bool,
    fresh: bool,
    timeout: float,
    wal_page: int,
    output: Output,
) -> None:
    """Find the index set for a workload: every candidate is built on a copy, and the queries are executed under it.

    The workload is a folder (--queries DIR), what a server was asked (--workload URL, log, CSV or folder of SQL), or
    the project's own queries. The database is only read. Ctrl-C ends the search, shows the best set so far and exits
    with 130; the same command goes on from there. Exit code 3 when no query can be executed.
    """
    session, source, wanted = subject(session, source, queries, None, workload)
    check_names(session, source, [], wanted)
    if migration is not None:
        check_migration(migration)
    if rehearse:
        check_log(parse_spec(session.settings.server))
    if source.workload is None:
        weights_of(session, mix, wanted, writes=writes)
    begun = dt.datetime.now(dt.UTC)
    with session.server() as server, open_source(session, server, source) as database:
        asked = Asked(weights_of(session, mix, wanted, writes=writes), budget_bytes, budget_wal, budget_time, keep,
                      check, timeout, wal_page, writes)  # fmt: skip
        cache = cache_of(session, database, fresh=fresh, as_is=source.as_is)
        with counting() as progress:
            advice = advise(
                server, database.name, session.project, asked, queries=wanted, role=source.role, as_is=source.as_is,
                cache=cache, caveats=database.remarks, progress=progress,
            )  # fmt: skip
        with connect(server.conninfo(database.name)) as connection:
            steps = steps_of(advice, partitions_of(connection))
        rehearsal = rehearsed(server, database.name, steps.upgrade) if rehearse and steps.upgrade else None
        print_reuse(cache)
        label = server.label
    lab = advise_lab(advice)
    document = {"schema_version": SCHEMA_VERSION, "advise": as_json(advice, digits=6), "migration": as_json(steps)}

    def show(console: Console) -> None:
        print_lab(lab, console)
        if rehearsal:
            show_run(console, rehearsal)

    def markdown() -> str:
        page = lab_markdown(lab, heading(lab.title, label, begun))
        return f"{page}\n{as_markdown(rehearsal)}" if rehearsal else page

    output.hand_over(document | ({"rehearsal": rehearsal.to_json()} if rehearsal else {}), text=show, markdown=markdown)
    if migration is not None:
        _write(migration, advice, migration_text(migration, advice, steps, shlex.join(
            ["inboxbench", *masked_arguments(sys.argv[1:])])))  # fmt: skip
    if rehearsal and rehearsal.error:
        raise SubjectFailed(f"the migration fails on a clone: {rehearsal.error}")
    if advice.stopped == "interrupted":
        raise click.exceptions.Exit(_INTERRUPTED)


def _write(path: Path, advice: Advice, text: str) -> None:
    if not advice.changes:
        progress_console.print(f"{path} is not written: there is nothing to change", highlight=False, markup=False)
        return
    write_text(path, text, option="--migration")
    progress_console.print(f"wrote {masked(str(path))}", highlight=False, markup=False)
