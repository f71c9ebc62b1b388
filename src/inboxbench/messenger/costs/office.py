"""The office at head that every alternative begins with, the same on every server.

There are two sets of rows. `office.sql`: 300 conversations with unread messages, 25 neglected ones and another account,
for what is read. `rules_office.sql`: 300 free conversations whose messages are an hour apart, for the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files

from inboxbench.bench.sets.template import analyse, tables
from inboxbench.database import connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server

# In both.
ACCOUNT, INBOX, CUSTOMER, AGENT = 1, 1, 1, 1
CONVERSATIONS = 300
# In `office.sql`.
UNREAD = 10  # messages of each of the CONVERSATIONS
NEGLECTED = range(301, 326)  # with BACKLOG messages each
BACKLOG = 200


def conversation_of(number: int) -> int:
    """Return the conversation of an execution: they take turns, so that none grows much faster than the others."""
    return 1 + number % CONVERSATIONS


@contextmanager
def open_office(server: Server, project: Project) -> Iterator[str]:
    """Build a database with the rows of `office.sql`, to be cloned; yield its name, and drop it afterwards."""
    with scratch_database(server, "office") as name:
        _build(server.conninfo(name), project, "office.sql")
        with connect(server.conninfo(name)) as connection:
            for table in tables(connection):
                analyse(connection, table, freeze=True)
        yield name


@contextmanager
def open_rules_office(server: Server, project: Project) -> Iterator[str]:
    """Do the same with the rows of `rules_office.sql`."""
    with scratch_database(server, "costs") as name:
        _build(server.conninfo(name), project, "rules_office.sql")
        with connect(server.conninfo(name)) as connection:
            connection.execute("VACUUM (ANALYZE)")
        yield name


def _build(conninfo: str, project: Project, rows: str) -> None:
    with connect(conninfo) as connection:
        connection.execute((project.schema / "head.sql").read_bytes())
        connection.execute(files("inboxbench.messenger.costs").joinpath(rows).read_bytes())
