"""Migrations under live traffic: which requests are sent, and what they waited for."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inboxbench.database import Connection, connect
from inboxbench.dryrun.model import ClassSummary, Statement
from inboxbench.dryrun.stalls.lock_waits import Waits, watch_waits
from inboxbench.dryrun.stalls.summary import summarise
from inboxbench.errors import UsageError
from inboxbench.migrate.history import Revision
from inboxbench.server import Server
from inboxbench.traffic.engine import DEFAULT_RATE, RequestClass, Traffic, live_traffic
from inboxbench.traffic.file import read_project_traffic, read_traffic
from inboxbench.traffic.generated import Generated, generate
from inboxbench.traffic.tables import VERSION_TABLE, read_tables

NO_TABLES = "no traffic: the copy has no table to read or write before the migrations begin"


@dataclass(frozen=True, slots=True)
class Load:
    """The traffic of a run: its classes, requests a second in all, and notes on what could not be made."""

    classes: tuple[RequestClass, ...] = ()
    rate: float = DEFAULT_RATE
    notes: tuple[str, ...] = ()
    seed: int = 1


NO_LOAD = Load()
# The traffic for a database, which is named; asked for when the database stands where the run begins.
LoadOf = Callable[[str], Load]


def no_load(_database: str) -> Load:
    """Return the load of a run without traffic."""
    return NO_LOAD


def choose_traffic(
    connection: Connection,
    *,
    file: Path | None = None,
    project: Path | None = None,
    first: bool = True,
    revisions: Sequence[Revision] = (),
    without: Collection[str] = (VERSION_TABLE,),
) -> Generated:
    """Choose the requests for a database: a file's, else a project's own that fit it, else made from the schema.

    project: a folder of traffic files, which fit when each of their requests works. first: before the migrations, where
    no request may fail yet. revisions: those to come; traffic made from the schema is for the tables that they name, if
    they name any, and never for those `without`, which are the migration tool's. Raises UsageError for a bad file.
    """
    if file is not None:
        return Generated(read_traffic(file, connection, first=first), ())
    try:
        own = read_project_traffic(project, connection, first=first) if project else ()
    except UsageError:  # another database's tables, or empty ones
        own = ()
    return Generated(own, ()) if own else generate(connection, _named(connection, revisions, without), without)


def _named(connection: Connection, revisions: Sequence[Revision], without: Collection[str]) -> frozenset[str] | None:
    """Tables (schema.name) whose name stands as a word in a revision's file; None when none does."""
    texts = (script.path.read_text("utf-8", errors="replace") for script in revisions)
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    return frozenset(table.full_name for table in read_tables(connection, without) if table.name in words) or None


def load_for(
    server: Server,
    database: str,
    choose: Callable[[Connection], Generated] = choose_traffic,
    *,
    rate: float = DEFAULT_RATE,
) -> Load:
    """Fix the requests before the migrations begin: deployed code does not change with the schema."""
    with connect(server.conninfo(database)) as connection:
        made = choose(connection)
    return Load(made.classes, rate, made.notes if made.classes else (*made.notes, NO_TABLES))


@dataclass(frozen=True, slots=True)
class WatchedTraffic:
    """Requests on their way, and what was seen of their waits; complete once the block of `watched_traffic` has ended.

    traffic: None where the load has no class.
    """

    load: Load
    waits: Waits = field(default_factory=Waits)
    traffic: Traffic | None = None

    def summaries(self, statements: Sequence[Statement], origin_ms: float) -> tuple[ClassSummary, ...]:
        """Return what each class waited for. statements: of the run; origin_ms: Unix ms at which its clock began."""
        return summarise(self.traffic, self.waits, statements, origin_ms) if self.traffic else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what could not be made, and what no wait must be blamed on."""
        problem = f"the watch for waits ended early ({self.waits.problem}): stalls may lack their cause"
        stood_still = self.traffic.standstills.notes() if self.traffic and self.traffic.answers else ()
        return (*self.load.notes, *stood_still, *([problem] if self.waits.problem else []))


@contextmanager
def watched_traffic(conninfo: str, load: Load) -> Iterator[WatchedTraffic]:
    """Send the requests of a load, and watch whom they wait for, for the length of the block."""
    if not load.classes:
        yield WatchedTraffic(load)
        return
    with (
        watch_waits(conninfo) as waits,
        live_traffic(conninfo, load.classes, rate=load.rate, seed=load.seed) as traffic,
    ):
        yield WatchedTraffic(load, waits, traffic)
