"""`inboxbench migrate`: upgrade or downgrade a database online, step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from inboxbench import units
from inboxbench.cli.migrate.progress import MigrationProgress
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.database import connect, require_ours
from inboxbench.messenger.old_code import old_code
from inboxbench.migrate import runner
from inboxbench.migrate.history import Revision, read_history
from inboxbench.migrate.record import migration_record
from inboxbench.migrate.session import Settings, read_settings
from inboxbench.migrate.traffic import ClassSummary, live_traffic, summarise
from inboxbench.project import Project

_TRAFFIC_LEAD_S = 1.0  # the traffic runs for a moment before the first revision, so that its sessions are warm


@click.group()
def command() -> None:
    """Upgrade or downgrade a database online: short locks, batches that resume, traffic that goes on."""


_database = click.option(
    "--database", required=True, help="a database of ours on the server (see --server), or a postgresql:// URL"
)
_allow_foreign = click.option(
    "--allow-foreign", is_flag=True, help="take --database NAME even if inboxbench did not make it"
)
_format = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="how to print"
)


def _limits(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--lock-timeout", type=float, help="ms a short step may wait for its lock (default 100)"),
        click.option("--lock-budget", type=float, help="s a step goes on trying for its lock (default 120)"),
        click.option("--pause-share", type=float, help="rest between batches, as a share of their time (default 0.2)"),
    ):
        function = option(function)
    return function


def _settings(lock_timeout: float | None, lock_budget: float | None, pause_share: float | None) -> Settings:
    return read_settings(lock_timeout_ms=lock_timeout, lock_budget_s=lock_budget, pause_share=pause_share)


@contextmanager
def _conninfo(session: Session, database: str, allow_foreign: bool) -> Iterator[str]:
    """A URL names its database beyond doubt; a bare name must be one of ours unless told otherwise."""
    if "://" in database:
        yield database
        return
    with session.server() as server:
        if not allow_foreign:
            require_ours(server, database)
        yield server.conninfo(database)


@command.command()
@_database
@click.option("--to", metavar="REVISION", help="stop after this revision (default: head)")
@click.option("--phase", type=int, help="stop at the end of this phase of the owners' plan")
@click.option("--traffic", is_flag=True, help="run the old application beside it and report what it felt")
@_limits
@_allow_foreign
@_format
@pass_session
def upgrade(
    session: Session,
    /,
    *,
    database: str,
    to: str | None,
    phase: int | None,
    traffic: bool,
    form: str,
    allow_foreign: bool,
    **limits: float | None,
) -> None:
    """Apply revisions up to head, a revision or a phase; run it again after any failure and it goes on."""
    settings = _settings(**limits)
    with _conninfo(session, database, allow_foreign) as conninfo:
        run, felt = _upgrade(conninfo, session.project, traffic=traffic, to=to, phase=phase, settings=settings)
    _print(run, felt, form)


@command.command()
@_database
@click.option("--to", metavar="REVISION", required=True, help='go back to this revision; "base": before the first')
@_limits
@_allow_foreign
@_format
@pass_session
def downgrade(
    session: Session, /, *, database: str, to: str, form: str, allow_foreign: bool, **limits: float | None
) -> None:
    """Undo revisions, the newest first."""
    settings = _settings(**limits)
    with _conninfo(session, database, allow_foreign) as conninfo:
        run = _watched(
            session.project,
            lambda progress: runner.downgrade(conninfo, session.project, to=to, settings=settings, listener=progress),
        )
    _print(run, [], form)


@command.command()
@_database
@_allow_foreign
@pass_session
def current(session: Session, /, *, database: str, allow_foreign: bool) -> None:
    """Print the revision that a database is at."""
    with _conninfo(session, database, allow_foreign) as conninfo:
        click.echo(runner.current(conninfo) or runner.BASE)


@command.command()
@_format
@pass_session
def history(session: Session, /, *, form: str) -> None:
    """List the revisions, oldest first, with the phase and the requirements of each."""
    revisions = read_history(session.project)
    if form == "json":
        click.echo(json.dumps([_as_json(revision) for revision in revisions], ensure_ascii=False, indent=2))
        return
    table = Table("revision", "phase", "kind", "what", "delivers")
    for revision in revisions:
        phase, kind = str(revision.phase or ""), revision.kind or ""
        table.add_row(revision.revision, phase, kind, escape(revision.title), " ".join(revision.ids))
    results_console().print(table)


def _as_json(revision: Revision) -> dict[str, Any]:
    names = ("revision", "down_revision", "slug", "title", "kind", "phase", "downgrade_reason")
    return {name: getattr(revision, name) for name in names} | {"ids": list(revision.ids)}


def _watched(project: Project, work: Callable[[MigrationProgress], runner.Run]) -> runner.Run:
    with MigrationProgress(read_history(project)) as progress:
        return work(progress)


def _upgrade(conninfo: str, project: Project, *, traffic: bool, **what: Any) -> tuple[runner.Run, list[ClassSummary]]:
    def work(progress: MigrationProgress) -> runner.Run:
        return runner.upgrade(conninfo, project, listener=progress, **what)

    return _under_traffic(conninfo, lambda: _watched(project, work)) if traffic else (_watched(project, work), [])


def upgrade_under_traffic(conninfo: str, project: Project) -> tuple[runner.Run, list[ClassSummary]]:
    """To head, with the old application reading and writing beside it; progress on stderr."""
    return _upgrade(conninfo, project, traffic=True)


def _under_traffic(conninfo: str, work: Callable[[], runner.Run]) -> tuple[runner.Run, list[ClassSummary]]:
    with connect(conninfo) as connection:
        classes = old_code(connection)
    with live_traffic(conninfo, classes) as traffic:
        time.sleep(_TRAFFIC_LEAD_S)
        run = work()
    return run, summarise(traffic, run.revisions)


def _print(run: runner.Run, felt: list[ClassSummary], form: str) -> None:
    if form == "json":
        click.echo(json.dumps(migration_record(run, felt), ensure_ascii=False, indent=2))
        return
    console = results_console()
    if run.revisions:
        console.print(_revisions_table(run))
    if felt:
        console.print(_traffic_table(felt))
    done = f"{len(run.revisions)} revisions, {run.before} → {run.after}, in {units.seconds(run.elapsed_s)}"
    console.print(done if run.revisions else f"nothing to do: the database is at {run.after}")


def _revisions_table(run: runner.Run) -> Table:
    table = Table("revision", "what", "delivers", "kind")
    for heading in ("rows", "s"):
        table.add_column(heading, justify="right")
    for one in run.revisions:
        rows = "" if one.rows is None else f"{one.rows:,}"
        revision = one.revision
        table.add_row(
            revision.revision,
            escape(revision.title),
            " ".join(revision.ids),
            revision.kind or "",
            rows,
            f"{one.elapsed_s:.2f}",
        )
    return table


def _traffic_table(felt: list[ClassSummary]) -> Table:
    table = Table(
        "request of the old application", "kind", title="What live traffic felt (latency from when it was due)"
    )
    for heading in ("requests", "errors", "p50 ms", "p99 ms", "longest stall ms", "during"):
        table.add_column(heading, justify="right")
    for one in felt:
        errors = f"[red]{one.errors}[/]" if one.errors else "0"
        stall = f"{one.max_stall_ms:.0f}"
        figures = (f"{one.requests:,}", errors, f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", stall)
        table.add_row(one.name, one.kind, *figures, one.worst_revision or "")
        if one.first_error:
            table.add_row(f"  [red]{escape(one.first_error)}[/]")
    return table
