"""The server's own log as the witness: which line came from which session, in which transaction, when.

Only a server that we started can be read like this: its log is a file in the folder of its socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from inboxbench.database import Connection
from inboxbench.errors import ServerError
from inboxbench.explain import Node, read_node
from inboxbench.server import Server, Spec
from inboxbench.server.handle import Binaries, Container, Embedded

# Time, process, virtual transaction, database and application; ~ never begins a line of the server itself.
PREFIX = "~ib %n %p %v %d~%a~ "
_LINE = re.compile(r"~ib (\d+\.\d+) (\d+) (\S*) (.*?)~(.*?)~ ([A-Z0-9]+):  (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One message. at: Unix time in ms; level: LOG, ERROR, DETAIL …; transaction: virtual, 0-based per session."""

    at: float
    pid: int
    transaction: str
    database: str
    application: str
    level: str
    text: str


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
    with path.open("rb") as file:
        file.seek(start)
        text = file.read(-1 if end is None else end - start).decode("utf-8", errors="replace")
    for message in _messages(text):
        match = _LINE.fullmatch(message)
        if match is not None and match[4] == database:
            at, pid, transaction, name, application, level, said = match.groups()
            yield Line(float(at) * 1000, int(pid), transaction, name, application, level, said)


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


_SYSTEM = ("pg_catalog", "information_schema")
_BLOCK = 8192


def _nodes(explained: dict[str, Any]) -> list[Node]:
    return list(read_node(explained["Plan"]).walk())


def _of_project(nodes: list[Node]) -> Iterator[Node]:
    """Yield the nodes that read or write a relation of the project."""
    return (node for node in nodes if node.relation is not None and node.fields.get("Schema") not in _SYSTEM)


def _name(node: Node) -> str:
    return f"{node.fields.get('Schema')}.{node.relation}"


def locks(explained: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (schema.name, mode as pg_locks writes it); the same relation may come more than once."""
    nodes = _nodes(explained)
    marked = any(node.kind == "LockRows" for node in nodes)
    for node in _of_project(nodes):
        if node.kind == "ModifyTable":
            yield _name(node), "RowExclusiveLock"
        else:
            yield _name(node), "RowShareLock" if marked else "AccessShareLock"
    for node in nodes:
        for target in node.fields.get("Target Tables", ()):
            yield f"{target.get('Schema')}.{target['Relation Name']}", "RowExclusiveLock"


def scans(explained: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield (schema.name, rows read) of the full scans that read something."""
    for node in _of_project(_nodes(explained)):
        if node.kind in ("Seq Scan", "Sample Scan") and "Actual Loops" in node.fields:
            filtered = float(node.fields.get("Rows Removed by Filter", 0)) * node.loops
            if rows := round(node.rows + filtered):
                yield _name(node), rows


def dead(explained: dict[str, Any]) -> int:
    """Return how many row versions the statement left behind."""
    return sum(
        round(child.rows)
        for node in _nodes(explained)
        if node.kind == "ModifyTable" and node.fields.get("Operation") in ("Update", "Delete")
        for child in node.children
        if child.fields.get("Parent Relationship") == "Outer"
    )


def wal_bytes(explained: dict[str, Any]) -> int:
    """Return the WAL of the top node, which holds what it pulled from those below it.

    A writing CTE that nothing reads runs after the top node, and its WAL is added.
    """
    nodes = _nodes(explained)
    read = {f"CTE {node.fields['CTE Name']}" for node in nodes if node.kind == "CTE Scan"}
    apart = (node for node in nodes if node.fields.get("Subplan Name", "").startswith("CTE "))
    unread = (int(node.fields.get("WAL Bytes", 0)) for node in apart if node.fields["Subplan Name"] not in read)
    return int(nodes[0].fields.get("WAL Bytes", 0)) + sum(unread)


def temp_bytes(explained: dict[str, Any]) -> int:
    """Return the bytes of temporary files that the statement wrote."""
    return int(explained["Plan"].get("Temp Written Blocks", 0)) * _BLOCK
