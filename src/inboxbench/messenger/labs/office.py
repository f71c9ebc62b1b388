"""An office at head, the same on every server, for labs that write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from inboxbench.bench.sets.template import analyse, tables
from inboxbench.database import connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server

# What `office.sql` holds of account 1.
ACCOUNT, INBOX = 1, 1
CONVERSATIONS = 300  # with UNREAD messages each
UNREAD = 10
NEGLECTED = range(301, 326)  # with BACKLOG messages each
BACKLOG = 200


@contextmanager
def open_office(server: Server, project: Project) -> Iterator[str]:
    """The name of a database with the office, to be cloned; dropped at the end of the block."""
    with scratch_database(server, "office") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute((project.schema / "head.sql").read_bytes())
            connection.execute(files("inboxbench.messenger.labs").joinpath("office.sql").read_bytes())
            for table in tables(connection):
                analyse(connection, table, freeze=True)
        yield name
