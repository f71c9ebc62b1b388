"""`inboxbench migrate`: upgrade or downgrade a database online, step by step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from inboxbench import units
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import MigrationProgress
from inboxbench.database import require_ours
from inboxbench.migrate import runner
from inboxbench.migrate.history import Revision, read_history
from inboxbench.migrate.record import MigrationRun, run_under_traffic
from inboxbench.migrate.session import Settings, read_settings
from inboxbench.report.model import Migration
from inboxbench.report.table import print_table
from inboxbench.report.tables import traffic_table
from inboxbench.server import check_url
from inboxbench.server.environment import completed


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
        click.option(
            "--lock-timeout", type=float, help="milliseconds that a short step waits for its lock (default: 100)"
        ),
        click.option("--lock-budget", type=float, help="seconds for which a step tries to get its lock (default: 120)"),
        click.option(
            "--pause-share", type=float, help="rest between batches, as a share of a batch's time (default: 0.2)"
        ),
    ):
        function = option(function)
    return function


def _settings(lock_timeout: float | None, lock_budget: float | None, pause_share: float | None) -> Settings:
    return read_settings(lock_timeout_ms=lock_timeout, lock_budget_s=lock_budget, pause_share=pause_share)


@contextmanager
def _conninfo(session: Session, database: str, allow_foreign: bool) -> Iterator[str]:
    """A URL names its database beyond doubt; a bare name must be one of ours unless told otherwise."""
    if "://" in database:
        check_url(database, "the URL of --database")
        yield completed(database)
        return
    with session.server() as server:
        if not allow_foreign:
            require_ours(server, database)
        yield server.conninfo(database)


@command.command()
@_database
@click.option("--to", metavar="REVISION", help="stop after this revision (default: head)")
@click.option("--phase", type=int, help="stop at the end of this phase, where a project's revisions name one")
@click.option(
    "--traffic",
    is_flag=True,
    help="send the requests of the project's bench/traffic/*.sql meanwhile (they write to the database), and report "
    "how long each kind waited",
)
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
    settings, project = _settings(**limits), session.project

    with _conninfo(session, database, allow_foreign) as conninfo:

        def work() -> runner.Run:
            with MigrationProgress(read_history(project)) as progress:
                return runner.upgrade(conninfo, project, to=to, phase=phase, settings=settings, listener=progress)

        done = run_under_traffic(conninfo, project, work) if traffic else MigrationRun(work())
    _print(done, form)


@command.command()
@_database
@click.option("--to", metavar="REVISION", required=True, help='undo the revisions after this one; "base": all')
@_limits
@_allow_foreign
@_format
@pass_session
def downgrade(
    session: Session, /, *, database: str, to: str, form: str, allow_foreign: bool, **limits: float | None
) -> None:
    """Undo revisions, the newest first."""
    settings, project = _settings(**limits), session.project
    with (
        _conninfo(session, database, allow_foreign) as conninfo,
        MigrationProgress(read_history(project)) as progress,
    ):
        run = runner.downgrade(conninfo, project, to=to, settings=settings, listener=progress)
    _print(MigrationRun(run), form)


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


def _print(done: MigrationRun, form: str) -> None:
    run = done.run
    if form == "json":
        click.echo(json.dumps(done.to_json(), ensure_ascii=False, indent=2))
        return
    console = results_console()
    if run.revisions:
        console.print(_revisions_table(run))
    if done.traffic:
        print_table(traffic_table(Migration(traffic=done.traffic)), console)
    for note in done.notes:
        console.print(f"note: {escape(note)}")
    summary = f"{len(run.revisions)} revisions, {run.before} → {run.after}, in {units.seconds(run.elapsed_s)}"
    console.print(summary if run.revisions else f"nothing to do: the database is at {run.after}")


def _revisions_table(run: runner.Run) -> Table:
    table = Table("revision", "what", "delivers", "kind")
    for heading in ("rows", "s"):
        table.add_column(heading, justify="right")
    for applied in run.revisions:
        revision = applied.revision
        rows = "" if applied.rows is None else f"{applied.rows:,}"
        what = (escape(revision.title), " ".join(revision.ids), revision.kind or "")
        table.add_row(revision.revision, *what, rows, f"{applied.elapsed_s:.2f}")
    return table
