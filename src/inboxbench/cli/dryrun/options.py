"""The options of `inboxbench dryrun`, and what they ask for as values."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from inboxbench.bench.growth.curve import FEWEST
from inboxbench.cli.options import Session, set_option
from inboxbench.cli.workload.options import Replayed
from inboxbench.database_copy import is_url
from inboxbench.dryrun.limits import Limits
from inboxbench.dryrun.source import Source
from inboxbench.dryrun.tools.alembic import TIMEOUT_S, Alembic
from inboxbench.dryrun.tools.any_tool import AnyTool
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.tools.django import django
from inboxbench.dryrun.tools.formats import FORMATS, Format
from inboxbench.dryrun.tools.plain_sql import plain_sql
from inboxbench.errors import UsageError, unknown
from inboxbench.migrate.history import last_of_phase, read_history
from inboxbench.traffic.engine import DEFAULT_RATE
from inboxbench.units import read_size, read_time
from inboxbench.workload.questions import statements_of

HOLDERS = ("long_reader", "old_snapshot")
MOST_SIZES = 6
_file = click.Path(path_type=Path)
_OPTIONS = (
    click.option(
        "--database",
        metavar="NAME|URL",
        help="rehearse on a copy of this database of the server, or of the one at a postgresql:// URL",
    ),
    click.option(
        "--dataset",
        metavar="PROFILE",
        help="rehearse on a copy of this data profile's dataset when no --database is given  [the project's own "
        "history: small; else: an empty database]",
    ),
    click.option(
        "--seed", type=click.IntRange(0), default=1, show_default=True, help="random seed that --dataset is filled with"
    ),
    set_option,
    click.option(
        "--command", "program", help="the project's own upgrade command; {url} and {revision} in it are filled in"
    ),
    click.option(
        "--sql",
        "files",
        type=click.Path(path_type=Path, exists=True),
        multiple=True,
        metavar="FILE|FOLDER",
        help="SQL to rehearse, each file a revision, those of a folder in the order of their numbers; may be repeated",
    ),
    click.option(
        "--tool",
        "known",
        metavar="NAME",
        help="the migration tool of --folder: django (its manage.py), alembic, or one whose --command is given  "
        "[recognised by what the run writes]",
    ),
    click.option("--config", type=_file, metavar="FILE", help="the alembic.ini to run plain Alembic by"),
    click.option(
        "--script-location", type=_file, metavar="FOLDER", help="the folder of env.py and versions/ to run Alembic in"
    ),
    click.option(
        "--python",
        default=sys.executable,
        show_default="that of inboxbench",
        metavar="PROGRAM",
        help="the project's Python, to run Alembic with",
    ),
    click.option(
        "--url-env",
        multiple=True,
        metavar="NAME",
        help="an environment variable that gets the copy's URL besides DATABASE_URL; may be repeated",
    ),
    click.option(
        "--driver",
        default="postgresql",
        show_default=True,
        help="how the copy's URL begins: postgresql+asyncpg for a project that uses asyncpg",
    ),
    click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="the folder to run the upgrade command in",
    ),
    click.option("--from", "begin", metavar="REVISION", help="migrate the copy to this revision first, unobserved"),
    click.option("--to", "target", metavar="REVISION", show_default="head", help="the last revision to rehearse"),
    click.option("--phase", type=int, help="rehearse up to the end of this phase of the project's own history"),
    click.option("--each", is_flag=True, help="rehearse revision by revision, and go on after one that fails"),
    click.option(
        "--timeout",
        default=f"{TIMEOUT_S:.0f}s",
        show_default=True,
        metavar="TIME",
        help="how long the upgrade command may run, and each side of a comparison",
    ),
    click.option("--no-traffic", is_flag=True, help="send no requests to the copy while it is migrated"),
    click.option(
        "--traffic",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        metavar="FILE",
        help="SQL file of requests to send during the migrations (`-- name:`, `-- kind:`, `-- weight:`, `-- draw:`)",
    ),
    click.option(
        "--traffic-from",
        "workload",
        metavar="WHERE",
        help="send what a server was asked, as often as it was: postgresql://… with pg_stat_statements, a CSV export "
        "of that, a server log or a folder of .sql files (default of --database: that of the URL)",
    ),
    click.option(
        "--speed",
        metavar="FACTOR",
        show_default="1x",
        help="with --traffic-from: how many times as often as the server was asked, such as 10x",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0, 5000, min_open=True),
        show_default=f"{DEFAULT_RATE:g}",
        help="requests a second, of all kinds together",
    ),
    click.option(
        "--long-reader", metavar="TIME", help="probe: migrate while other transactions read every table for so long"
    ),
    click.option(
        "--old-snapshot", metavar="TIME", help="probe: migrate while another transaction keeps a snapshot for so long"
    ),
    click.option(
        "--shuffle-traffic",
        type=click.IntRange(1, 100),
        metavar="N",
        help="probe: migrate N times under readers that take tables in other orders, to find deadlocks",
    ),
    click.option("--downgrade", is_flag=True, help="probe: migrate back down again, and say what data that loses"),
    click.option(
        "--scales",
        metavar="N",
        help=f"rehearse on copies of N sizes ({FEWEST} to {MOST_SIZES}, halved each time) and fit costs over rows",
    ),
    click.option(
        "--rows",
        multiple=True,
        metavar="TABLE=N",
        show_default="the source's",
        help="rows of this table in production, by which locks are judged and which --scales predicts costs for; may "
        "be repeated",
    ),
    click.option("--max-stall", metavar="TIME", help="exit with 1 when a request waited longer than this"),
    click.option("--max-lock-hold", metavar="TIME", help="exit with 1 when a lock kept others out longer than this"),
    click.option("--max-wal", metavar="SIZE", help="exit with 1 when the migrations wrote more WAL than this"),
    click.option("--max-rewrite", metavar="SIZE", help="exit with 1 when a file larger than this was rewritten"),
    click.option(
        "--max-errors", type=click.IntRange(0), metavar="N", help="exit with 1 when more requests than this failed"
    ),
    click.option(
        "--rewrites/--no-rewrites",
        default=True,
        show_default=True,
        help="run what is proposed instead on the same rows, and compare",
    ),
)


def dryrun_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command all options of a dry run, in the order of its help."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Asked:
    """The traffic and the probes that the options ask for; times in seconds.

    file: of requests to send; own: the project's folder of such files, for a database that they fit; rate: requests a
    second in all; replayed: a workload to send in place of both.
    """

    traffic: bool
    file: Path | None
    own: Path | None
    rate: float
    holders: dict[str, float]
    shuffle: int
    downgrade: bool
    replayed: Replayed | None = None

    @property
    def probes(self) -> bool:
        return bool(self.holders or self.shuffle or self.downgrade)

    def without_probes(self) -> Asked:
        """Return the same traffic, and no probe."""
        return replace(self, holders={}, shuffle=0, downgrade=False)


def read_asked(options: dict[str, Any], own: Path | None = None) -> Asked:
    """Raises UsageError for what is no time."""
    holders = {name: read_time(_with_unit(options[name])) / 1000 for name in HOLDERS if options[name]}
    rate = options["rate"] or DEFAULT_RATE
    shuffle, downgrade = options["shuffle_traffic"] or 0, options["downgrade"]
    return Asked(not options["no_traffic"], options["traffic"], own, rate, holders, shuffle, downgrade)


def read_replayed(options: dict[str, Any]) -> Replayed | None:
    """Return the traffic of --traffic-from, None without it. Raises UsageError for what does not go with it."""
    where, speed = options["workload"], options["speed"]
    if where is None:
        if speed:
            raise UsageError("--speed is that of --traffic-from; --rate says how many other requests are sent")
        return None
    for name in ("traffic", "no_traffic"):
        if options[name]:
            raise UsageError(f"--traffic-from and --{name.replace('_', '-')}: give one of them")
    if speed and options["rate"]:
        raise UsageError("--speed and --rate both say how many requests are sent; give one of them")
    return Replayed(statements_of(where, option="--traffic-from"), _factor(speed or "1x"), options["rate"])


def _factor(text: str) -> float:
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0 < factor < math.inf:
        raise UsageError(f"--speed {text!r} is no factor above zero, such as 1x or 10x")
    return factor


def _with_unit(text: str) -> str:
    """A bare number is one of seconds."""
    return f"{text}s" if text.replace(".", "", 1).isdecimal() else text


def read_limits(options: dict[str, Any]) -> Limits:
    def read(name: str, how: Callable[[str], float]) -> float | None:
        return None if options[name] is None else how(options[name])

    return Limits(
        stall=read("max_stall", read_time),
        lock_hold=read("max_lock_hold", read_time),
        wal=read("max_wal", read_size),
        rewrite=read("max_rewrite", read_size),
        errors=options["max_errors"],
    )


_NAMED = {"--command": "program", "--config": "config", "--sql": "files"}


def read_tool(session: Session, options: dict[str, Any]) -> Tool:
    named = [name for name, key in _NAMED.items() if options[key]]
    if len(named) > 1:
        raise UsageError(f"give {named[0]} or {named[1]}, not both")
    if options["files"]:
        return plain_sql(options["files"], read_time(options["timeout"]) / 1000)
    if known := _known_tool(options):
        return known
    config, location = (place(options, name) for name in ("config", "script_location"))
    runs = Alembic(
        program=options["program"],
        config=config,
        script_location=location,
        python=_python(options),
        url_env=options["url_env"],
        driver=options["driver"],
        folder=options["folder"],
        timeout_s=read_time(options["timeout"]) / 1000,
        project=session.project.root,
    )
    return AnyTool(runs, _formats(options["known"])) if options["program"] else runs


def _known_tool(options: dict[str, Any]) -> Tool | None:
    """Return the tool of --tool that needs no command. Raises UsageError for one that is not known, or needs one."""
    name = options["known"]
    if name is None or name.lower() == "alembic" or options["program"]:
        return None
    if name.lower() == "django":
        return django(options["folder"], _python(options), options["url_env"], read_time(options["timeout"]) / 1000)
    _formats(name)
    raise UsageError(f"--tool {name} needs its command: --command says how your project migrates")


def _formats(name: str | None) -> tuple[Format, ...]:
    """Return the tools that --tool may mean, all of them without it. Raises UsageError for a tool that is not known."""
    if name is None or name.lower() == "alembic":
        return FORMATS
    chosen = tuple(known for known in FORMATS if name.lower() in known.name.lower().split(" or "))
    if not chosen:
        raise unknown(
            "tool", name, ["alembic", *(part.lower() for item in FORMATS for part in item.name.split(" or "))]
        )
    return chosen


def _python(options: dict[str, Any]) -> str:
    return str(Path(options["python"]).absolute()) if "/" in options["python"] else options["python"]


def place(options: dict[str, Any], name: str) -> Path | None:
    """Return where it is from here, else from --folder; absolute where the command runs elsewhere."""
    given: Path | None = options[name]
    if given is None:
        return None
    path_there = next((path for path in (given, (options["folder"] or Path()) / given) if path.exists()), None)
    if path_there is None:
        raise UsageError(f"--{name.replace('_', '-')} {given}: no such file or folder")
    return path_there.absolute() if options["folder"] else path_there


def read_source(options: dict[str, Any]) -> Source:
    if options["database"] and options["dataset"]:
        raise UsageError("give --database or --dataset, not both")
    asked = options["workload"] if is_url(options["workload"]) and not options["dataset"] else None
    database = options["database"] or asked
    dataset = options["dataset"] or ("small" if _is_ours(options) and not database else None)
    return Source(database, dataset, options["seed"], overrides=options["overrides"])


def _is_ours(options: dict[str, Any]) -> bool:
    """Return whether it is the project's own history that is rehearsed, and none that an option names."""
    return not any(options[key] for key in (*_NAMED.values(), "script_location", "known"))


def read_target(session: Session, options: dict[str, Any]) -> str:
    if options["phase"] is None:
        return options["target"] or "head"
    if options["target"]:
        raise UsageError("name --to or --phase, not both")
    if not _is_ours(options):
        raise UsageError("--phase belongs to the messenger's own history; name a revision with --to")
    return last_of_phase(read_history(session.project), options["phase"])
