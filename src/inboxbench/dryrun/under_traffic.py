"""Migrations under live traffic: which requests are sent, what the migrations did, what everybody waited for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from inboxbench.database import Connection, connect
from inboxbench.dryrun.model import DryRun, Felt
from inboxbench.dryrun.run import Segment, described, rehearse, watch
from inboxbench.dryrun.stalls.lock_waits import watch_waits
from inboxbench.dryrun.stalls.summary import summarise
from inboxbench.dryrun.tools.base import Tool
from inboxbench.errors import UsageError
from inboxbench.migrate.history import Revision
from inboxbench.server import Server
from inboxbench.traffic.engine import DEFAULT_RATE, RequestClass, live_traffic
from inboxbench.traffic.file import read_project_traffic, read_traffic
from inboxbench.traffic.generated import Generated, generate
from inboxbench.traffic.tables import read_tables

NO_TABLES = "no traffic: the copy has no table to read or write before the migrations begin"


@dataclass(frozen=True, slots=True)
class Load:
    """The traffic of a run: its classes, requests a second in all, and notes on what could not be made."""

    classes: tuple[RequestClass, ...]
    rate: float = DEFAULT_RATE
    notes: tuple[str, ...] = ()
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Live:
    """What was observed of a run, what each class of traffic waited for, and notes on both."""

    leg: Segment
    felt: tuple[Felt, ...] = ()
    notes: tuple[str, ...] = field(default=())


def choose_traffic(
    connection: Connection,
    *,
    file: Path | None = None,
    project: Path | None = None,
    first: bool = True,
    revisions: Sequence[Revision] = (),
) -> Generated:
    """Choose the requests for a database: a file's, else a project's own that fit it, else made from the schema.

    project: a folder of traffic files, which fit when each of their requests works. first: before the migrations, where
    no request may fail yet. revisions: those to come; traffic made from the schema is for the tables that they name, if
    they name any. Raises UsageError for a bad file.
    """
    if file is not None:
        return Generated(read_traffic(file, connection, first=first), ())
    try:
        own = read_project_traffic(project, connection, first=first) if project else ()
    except UsageError:  # another database's tables, or empty ones
        own = ()
    return Generated(own, ()) if own else generate(connection, _named(connection, revisions))


def _named(connection: Connection, revisions: Sequence[Revision]) -> frozenset[str] | None:
    """Tables (schema.name) whose name stands as a word in a revision's file; None when none does."""
    texts = (script.path.read_text("utf-8", errors="replace") for script in revisions)
    words = {word for text in texts for word in re.findall(r"\w+", text)}
    return frozenset(table.full_name for table in read_tables(connection) if table.name in words) or None


def load_for(server: Server, database: str, made: Generated | None = None, *, rate: float = DEFAULT_RATE) -> Load:
    """Fix the requests before the migrations begin: deployed code does not change with the schema."""
    if made is None:
        with connect(server.conninfo(database)) as connection:
            made = choose_traffic(connection)
    return Load(made.classes, rate, made.notes if made.classes else (*made.notes, NO_TABLES))


def run_live(
    server: Server,
    database: str,
    tool: Tool,
    load: Load,
    target: str = "head",
    *,
    downgrade: bool = False,
    beside: Iterable[AbstractContextManager[object]] = (),
) -> Live:
    """Run the tool with traffic, and within the contexts `beside`, from before its start until its end."""
    conninfo = server.conninfo(database)
    with ExitStack() as stack:
        waits = stack.enter_context(watch_waits(conninfo))
        traffic = stack.enter_context(live_traffic(conninfo, load.classes, rate=load.rate, seed=load.seed))
        for other in beside:
            stack.enter_context(other)
        watched = watch(server, database, tool, target, downgrade=downgrade)
    leg = described(watched)
    felt = summarise(traffic, waits, leg.statements, leg.observer.epoch * 1000)
    problem = (f"the watch for waits ended early ({waits.problem}): stalls may lack their cause",)
    return Live(leg, felt, (*load.notes, *traffic.standstills.notes(), *(problem if waits.problem else ())))


def rehearse_live(
    server: Server,
    database: str,
    tool: Tool,
    load: Callable[[], Load],
    *,
    source: str,
    begin: str | None,
    target: str,
) -> DryRun:
    """As `run.rehearse`, under traffic; `load` is asked for it once the copy stands at `begin`."""
    lives: list[Live] = []

    def run(server: Server, database: str, tool: Tool, target: str) -> Segment:
        lives.append(run_live(server, database, tool, load(), target))
        return lives[-1].leg

    done = rehearse(server, database, tool, source=source, begin=begin, target=target, run=run)
    return replace(done, traffic=lives[-1].felt, notes=(*done.notes, *lives[-1].notes))
