"""Running a project's history over a database, with what each revision took."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from inboxbench.database import Connection, connect
from inboxbench.errors import InboxbenchError, SubjectFailed, UsageError
from inboxbench.migrate.history import Revision, alembic_config, find, last_of_phase, read_history
from inboxbench.migrate.session import Event, Listener, Progress, RevisionApplied, Settings, StepStarted
from inboxbench.project import Project
from inboxbench.server import reason
from inboxbench.traffic.clock import wall_clock

BASE = "base"
_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps the running migration in module globals


@dataclass(frozen=True, slots=True)
class Applied:
    """One revision done or undone, with Unix times in ms that never step back.

    rows: written by its backfills; None when it has none.
    """

    revision: Revision
    started_ms: float
    finished_ms: float
    rows: int | None

    @property
    def elapsed_s(self) -> float:
        return (self.finished_ms - self.started_ms) / 1000


@dataclass(frozen=True, slots=True)
class Run:
    """What an upgrade or downgrade did; before and after are revisions, "base" for none."""

    before: str
    after: str
    elapsed_s: float
    revisions: tuple[Applied, ...]


def upgrade(
    conninfo: str,
    project: Project,
    *,
    to: str | None = None,
    phase: int | None = None,
    settings: Settings | None = None,
    listener: Listener | None = None,
) -> Run:
    """To `to`, to the end of `phase`, or to head. Raises SubjectFailed naming the revision that failed."""
    history = read_history(project)
    if to is not None and phase is not None:
        raise UsageError("name a revision or a phase, not both")
    target = last_of_phase(history, phase) if phase is not None else to or "head"
    if target != "head":
        find(history, target)
        _refuse_backwards(conninfo, history, target)
    recorder = _Recorder(_by_id(history), listener)
    return _run(command.upgrade, target, conninfo, alembic_config(project, settings=settings), recorder)


def downgrade(
    conninfo: str,
    project: Project,
    *,
    to: str,
    settings: Settings | None = None,
    listener: Listener | None = None,
) -> Run:
    """To revision `to`, or to "base": before the first. Raises SubjectFailed naming the revision that failed."""
    history = read_history(project)
    if to != BASE:
        find(history, to)
    recorder = _Recorder(_by_id(history), listener)
    return _run(command.downgrade, to, conninfo, alembic_config(project, settings=settings), recorder)


def current(conninfo: str) -> str | None:
    """The revision a database is at; None when it carries none. Raises UsageError when it carries several."""
    with connect(conninfo) as connection:
        return read_stamp(connection)


def read_stamp(connection: Connection) -> str | None:
    """As `current`, over a connection that is there."""
    row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    stamps = [stamp for (stamp,) in connection.execute("SELECT version_num FROM alembic_version")]
    if len(stamps) > 1:
        raise UsageError(f"the database carries several revisions ({', '.join(stamps)}); the history is one line")
    return str(stamps[0]) if stamps else None


def _refuse_backwards(conninfo: str, history: tuple[Revision, ...], target: str) -> None:
    order = [revision.revision for revision in history]
    at = current(conninfo)
    if at in order and order.index(at) > order.index(target):
        raise UsageError(f"the database is at {at}, past {target}; `migrate downgrade --to {target}` goes back")


@dataclass(slots=True)
class _Recorder:
    """Turns events into Applied; passes them on."""

    history: dict[str, Revision]
    forward: Listener | None
    clock: Callable[[], float] = field(default_factory=wall_clock)
    mark: float = field(init=False)
    rows: dict[str, int] = field(default_factory=dict)
    applied: list[Applied] = field(default_factory=list)
    latest: str | None = None

    def __post_init__(self) -> None:
        self.mark = self.clock()

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted(revision, _):
                self.latest = revision
            case Progress() if event.finished:
                self.rows[event.name] = event.rows
            case RevisionApplied(revision, _):
                self._close(revision)
        if self.forward:
            self.forward(event)

    def _close(self, revision: str) -> None:
        now = self.clock()
        rows = sum(self.rows.values()) if self.rows else None
        self.applied.append(Applied(self.history[revision], self.mark, now, rows))
        self.mark, self.rows, self.latest = now, {}, None


def _by_id(history: tuple[Revision, ...]) -> dict[str, Revision]:
    return {revision.revision: revision for revision in history}


def _run(action: Callable[[Config, str], None], target: str, conninfo: str, config: Config, recorder: _Recorder) -> Run:
    config.attributes.update(conninfo=conninfo, listener=recorder)
    before, started = current(conninfo) or BASE, time.monotonic()
    _known(before, recorder.history)
    try:
        with _ONE_AT_A_TIME:
            action(config, target)
    except InboxbenchError:
        raise
    except CommandError as error:
        raise UsageError(f"Alembic: {error}") from error
    except psycopg.Error as error:
        raise _failure(error, recorder) from error
    elapsed = time.monotonic() - started
    return Run(before, current(conninfo) or BASE, elapsed, tuple(recorder.applied))


def _known(stamp: str, history: dict[str, Revision]) -> None:
    if stamp != BASE and stamp not in history:
        raise UsageError(
            f"the database is at revision {stamp!r}, which this project does not have; "
            "it belongs to another project or to a newer version of this one"
        )


def _failure(error: psycopg.Error, recorder: _Recorder) -> SubjectFailed:
    """Return the server's complaint with the revision it concerns. SQLAlchemy only wraps Alembic's own statements."""
    where = f"revision {recorder.latest}" if recorder.latest else "the migration"
    done = len(recorder.applied)
    return SubjectFailed(
        f"{where} failed: {reason(error)}; {done} revision{'' if done == 1 else 's'} before it "
        "are done, and running the same command again goes on from there"
    )
