"""The demo's migration stage: a dry run of the messenger's history, as the `migration` part of run.json.

It is the document of `inboxbench dryrun`, with what the history says of each revision beside what was observed, and
without the statements that nobody could notice: all of them are twenty times the size of the rest of run.json.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from inboxbench.cli.progress import MigrationProgress, progress_console
from inboxbench.database import connect
from inboxbench.dryrun.model import ClassSummary, DryRun, Statement
from inboxbench.dryrun.observe.sampler import APPLICATION
from inboxbench.dryrun.observe.server_log import log_path
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.under_traffic import Load, choose_traffic, load_for
from inboxbench.errors import InboxbenchError, ServerError, SubjectFailed
from inboxbench.migrate import runner
from inboxbench.migrate.history import Revision, read_history
from inboxbench.migrate.record import run_under_traffic
from inboxbench.migrate.runner import read_stamp
from inboxbench.project import Project
from inboxbench.record import as_json
from inboxbench.server import Server
from inboxbench.traffic.engine import UNOBSERVED

_NOTICED_MS = 10.0  # a statement that ran for less, locked nobody out and stood behind no stall is left out
_POLL_S = 0.5
_COUNTED = "UPDATE backfill_progress SET last_key = $1, rows = rows + $2"


def migrate(server: Server, project: Project, database: str, source: str) -> dict[str, Any]:
    """Migrate `database` to head while the old application goes on.

    A server whose log is out of reach cannot be observed: there the upgrade runs as `migrate upgrade --traffic` does.
    Raises SubjectFailed when a revision fails.
    """
    history = read_history(project)
    try:
        log_path(server)
    except ServerError:
        return _upgrade(server.conninfo(database), project, history)

    def load(database: str) -> Load:
        return load_for(server, database, partial(choose_traffic, project=project.traffic))

    tool = Alembic(project=project.root)
    with _progress(server.conninfo(database), history):
        run = rehearse(server, database, tool, source=source, begin=None, target="head", load=load)
    if run.error:
        raise SubjectFailed(run.error)
    return migration_document(with_findings(run, tool), history)


def _upgrade(conninfo: str, project: Project, history: Sequence[Revision]) -> dict[str, Any]:
    def upgrade() -> runner.Run:
        with MigrationProgress(history) as progress:
            return runner.upgrade(conninfo, project, listener=progress)

    return run_under_traffic(conninfo, project, upgrade).to_json()


@contextmanager
def _progress(conninfo: str, history: Sequence[Revision]) -> Iterator[None]:
    """Print a line for each revision that is done, read from the version table twice a second."""
    stop = threading.Event()
    quiet = make_conninfo(conninfo, application_name=f"{APPLICATION} progress", options=UNOBSERVED)
    thread = threading.Thread(target=_watch, args=(quiet, history, stop), name="demo-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch(conninfo: str, history: Sequence[Revision], stop: threading.Event) -> None:
    order, shown = [revision.revision for revision in history], 0
    try:
        with connect(conninfo) as connection:
            ended = False
            while not ended:
                ended = stop.wait(_POLL_S)
                stamp = read_stamp(connection)
                done = order.index(stamp) + 1 if stamp in order else 0
                for revision in history[shown:done]:
                    progress_console.print(f"[green]✓[/] {revision.revision} {revision.slug}", highlight=False)
                shown = max(shown, done)
    except (psycopg.Error, InboxbenchError):
        return  # progress that cannot be read is not shown; the migration says itself what went wrong


def migration_document(run: DryRun, history: Sequence[Revision]) -> dict[str, Any]:
    """Return the dry run's document with the facts of the history, and the statements that somebody could notice."""
    kept = _noticeable(run)
    document: dict[str, Any] = as_json(replace(run, statements=kept, transactions=()).to_json(), digits=3)
    begin_ms = min((revision.started_ms for revision in run.revisions), default=0.0)
    facts, rows = {revision.revision: revision for revision in history}, _backfilled(run)
    for revision in document["revisions"]:
        name = revision["revision"]
        known = facts[name]
        revision |= {"slug": known.slug, "kind": known.kind, "phase": known.phase, "ids": list(known.ids)}
        revision["started_s"] = round((revision["started_ms"] - begin_ms) / 1000, 3)
        revision["elapsed_s"] = round((revision["finished_ms"] - revision["started_ms"]) / 1000, 3)
        revision["rows"] = rows.get(name)
    for felt, observed in zip(document["traffic"], run.traffic, strict=True):
        felt["worst_revision"] = _worst_revision(run, observed)
    last = run.revisions[-1].revision if run.revisions else runner.BASE
    return document | {
        "from": runner.BASE,
        "to": last,
        "elapsed_s": round(run.duration_ms / 1000, 3),
        "statement_count": run.statement_count,
    }


def _noticeable(run: DryRun) -> tuple[Statement, ...]:
    named = {stall.statement for felt in run.traffic for stall in felt.stalls}
    named |= {finding.statement for finding in run.findings}
    return tuple(
        replace(statement, locks=tuple(lock for lock in statement.locks if lock.keeps_out))
        for statement in run.statements
        if statement.number in named
        or statement.duration_ms >= _NOTICED_MS
        or statement.rewrites
        or any(lock.keeps_out for lock in statement.locks)
    )


def _backfilled(run: DryRun) -> dict[str, int]:
    """Return the rows that the backfills of a revision wrote, from the record that each batch keeps."""
    rows: dict[str, int] = {}
    for statement in run.statements:
        if statement.revision and _COUNTED in " ".join(statement.sql.split()):
            count = int(statement.values.get("2", "0").strip("'"))
            rows[statement.revision] = rows.get(statement.revision, 0) + count
    return rows


def _worst_revision(run: DryRun, felt: ClassSummary) -> str | None:
    """Return the revision that filled most of the longest wait of a class; None when none was running."""
    begin_ms = felt.longest_at_ms or 0.0
    end_ms = begin_ms + (felt.max_wait_ms or 0.0)
    overlaps = {
        revision.revision: min(revision.finished_ms, end_ms) - max(revision.started_ms, begin_ms)
        for revision in run.revisions
    }
    longest = max(overlaps, key=lambda name: overlaps[name], default=None)
    return longest if longest is not None and overlaps[longest] > 0 else None
