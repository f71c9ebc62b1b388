"""The server's own log as the witness: which line came from which session, in which transaction, when.

Only a server that we started can be read like this: its log is a file in the folder of its socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from inboxbench.database import Connection
from inboxbench.errors import ServerError
from inboxbench.server import Server

# Time, process, virtual transaction, SQLSTATE, database and application; ~ never begins a line of the server itself.
PREFIX = "~ib %n %p %v %e %d~%a~ "
_LINE = re.compile(r"~ib (\d+\.\d+) (\d+) (\S*) (\S{5}) (.*?)~(.*?)~ ([A-Z0-9]+):  (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One message. at: Unix time in ms; level: LOG, ERROR, DETAIL …; transaction: virtual, 0-based per session."""

    at: float
    pid: int
    transaction: str
    state: str
    database: str
    application: str
    level: str
    text: str


def log_path(server: Server) -> Path:
    """The file that the server writes to. Raises ServerError for a server whose log is out of reach."""
    host = conninfo_to_dict(server.base).get("host")
    path = Path(str(host or "")) / "server.log"
    if server.kind not in ("embedded", "bin") or not host or not path.is_file():
        raise ServerError(
            f"dryrun reads the server's log, and that of {server.label} is out of reach; use --server embedded or "
            "bin:DIR, and name somebody else's database with --database URL: it is copied"
        )
    return path


def prepare_log(connection: Connection) -> None:
    """Have every line say whose it is. It stays: the server is ours, and a second dry run may need it too."""
    row = connection.execute("SHOW log_line_prefix").fetchone()
    if row is not None and row[0] != PREFIX:
        connection.execute(f"ALTER SYSTEM SET log_line_prefix = '{PREFIX}'")
        connection.execute("SELECT pg_reload_conf()")


def read_lines(path: Path, start: int, database: str, end: int | None = None) -> Iterator[Line]:
    """Messages of `database` from byte `start` up to `end`, in order; a statement of several lines is one message."""
    with path.open("rb") as file:
        file.seek(start)
        text = file.read(-1 if end is None else end - start).decode("utf-8", errors="replace")
    for message in _messages(text):
        found = _LINE.fullmatch(message)
        if found is not None and found[5] == database:
            at, pid, transaction, state, name, application, level, said = found.groups()
            yield Line(float(at) * 1000, int(pid), transaction, state, name, application, level, said)


def _messages(text: str) -> Iterator[str]:
    """A line that begins with a tab goes on with the one before it."""
    message: list[str] = []
    for line in text.split("\n"):
        if line.startswith("\t"):
            message.append(line[1:])
            continue
        if message:
            yield "\n".join(message)
        message = [line]
    if message:
        yield "\n".join(message)
