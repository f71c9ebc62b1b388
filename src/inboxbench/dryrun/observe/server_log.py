"""The server's own log as the witness: which line came from which session, in which transaction, when.

Only a server that we started can be read like this: its log is a file in the folder of its socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from inboxbench.database import Connection
from inboxbench.errors import ServerError
from inboxbench.server import Server, Spec
from inboxbench.server.handle import Binaries, Container, Embedded

# Time, process, virtual transaction, database, application and SQLSTATE; ~ never begins a line of the server itself.
PREFIX = "~ib %n %p %v %d~%a~%e "
_LINE = re.compile(r"~ib (\d+\.\d+) (\d+) (\S*) (.*?)~(.*?)~(\w{5}) ([A-Z0-9]+):  (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One message. at: Unix time in ms; level: LOG, ERROR, DETAIL …; transaction: virtual, 0-based per session; state:
    the SQLSTATE of an error.
    """

    at: float
    pid: int
    transaction: str
    database: str
    application: str
    level: str
    text: str
    state: str | None = None


def log_path(server: Server) -> Path:
    """Return the file that the server writes to. Raises ServerError for a server whose log is out of reach."""
    host = conninfo_to_dict(server.base).get("host")
    path = Path(str(host or "")) / "server.log"
    if server.kind not in ("embedded", "bin") or not host or not path.is_file():
        raise _out_of_reach(server.label)
    return path


def check_log(spec: Spec) -> None:
    """Raise ServerError, before a server is started, for one whose log is out of reach."""
    if not isinstance(spec, Embedded | Binaries):
        raise _out_of_reach("a container" if isinstance(spec, Container) else "somebody's server")


def _out_of_reach(label: str) -> ServerError:
    return ServerError(
        f"dryrun reads the server's log, and that of {label} is out of reach; use --server embedded or bin:DIR, and "
        "name somebody else's database with --database URL: it is copied"
    )


def prepare_log(connection: Connection) -> None:
    """Have every line say whose it is. It stays: the server is ours, and a second dry run may need it too."""
    row = connection.execute("SHOW log_line_prefix").fetchone()
    if row is not None and row[0] != PREFIX:
        connection.execute(f"ALTER SYSTEM SET log_line_prefix = '{PREFIX}'")
        connection.execute("SELECT pg_reload_conf()")


def read_lines(path: Path, start: int, database: str, end: int | None = None) -> Iterator[Line]:
    """Messages of `database` from byte `start` up to `end`, in order; a statement of several lines is one message."""
    for message in _messages(_pieces(path, start, end)):
        match = _LINE.fullmatch(message)
        if match is not None and match[4] == database:
            at, pid, transaction, name, application, state, level, said = match.groups()
            yield Line(float(at) * 1000, int(pid), transaction, name, application, level, said, state)


def _pieces(path: Path, start: int, end: int | None) -> Iterator[str]:
    """Yield the lines one by one: the log of a long history is larger than what memory is worth."""
    with path.open("rb") as file:
        file.seek(start)
        left = path.stat().st_size - start if end is None else end - start
        while left > 0 and (line := file.readline(left)):
            left -= len(line)
            yield line.decode("utf-8", errors="replace").removesuffix("\n")


def _messages(lines: Iterable[str]) -> Iterator[str]:
    """A line that begins with a tab goes on with the one before it."""
    message: list[str] = []
    for line in lines:
        if line.startswith("\t"):
            message.append(line[1:])
            continue
        if message:
            yield "\n".join(message)
        message = [line]
    if message:
        yield "\n".join(message)
