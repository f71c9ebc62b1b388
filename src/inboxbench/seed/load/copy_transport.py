"""A block on its way to the server: by a file that the server reads, or through the connection.

By file is a fifth cheaper in CPU, on both sides: a socket hands over 8 kB at a time. It takes a server that sees our
files and a role that may read them (a superuser, or a member of pg_read_server_files).
"""

from __future__ import annotations

import os
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench.seed.binary import Octets
from inboxbench.seed.binary.copy_format import HEADER, TRAILER
from inboxbench.seed.row_source import SLICE

Connection = psycopg.Connection[tuple[object, ...]]

_READABLE = 0o644
# The server is another user: it may open a file whose name it is told, and list nothing.
_SEARCHABLE = 0o711


def reads_files(connection: Connection, folder: Path) -> bool:
    """Whether the server can read what we write into `folder`, tried out; on a server elsewhere it cannot."""
    folder.chmod(_SEARCHABLE)
    probe = folder / "probe"
    probe.write_bytes(b"seen")
    probe.chmod(_READABLE)
    try:
        row = connection.execute("SELECT pg_read_binary_file(%s)", (str(probe),)).fetchone()
    except psycopg.DatabaseError:
        return False
    finally:
        probe.unlink()
    return row is not None and row[0] == b"seen"


def _statement(table: str, columns: tuple[str, ...], source: sql.Composable) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM {} (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)), source
    )


def send_file(connection: Connection, table: str, columns: tuple[str, ...], data: Octets, folder: Path) -> None:
    """COPY one block by a file in `folder`, which is gone afterwards."""
    path = folder / f"block.{os.getpid()}"
    try:
        with path.open("wb") as file:
            file.write(HEADER)
            file.write(data.data)
            file.write(TRAILER)
        path.chmod(_READABLE)
        connection.execute(_statement(table, columns, sql.Literal(str(path))))
    finally:
        path.unlink(missing_ok=True)


def send(
    connection: Connection, table: str, columns: tuple[str, ...], data: Octets, *, slice_size: int = SLICE
) -> None:
    """COPY one block through the connection."""
    view = data.data
    with connection.cursor() as cursor, cursor.copy(_statement(table, columns, sql.SQL("STDIN"))) as copy:
        copy.write(HEADER)
        for start in range(0, len(view), slice_size):
            copy.write(view[start : start + slice_size])
        copy.write(TRAILER)
