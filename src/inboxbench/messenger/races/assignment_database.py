"""A scratch messenger for races: one account, an inbox per round, and rows that keep the history of their claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

from psycopg import sql

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

_PEOPLE = """
    INSERT INTO accounts (id, name) VALUES (1, 'Race lab');
    INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Never used');
    INSERT INTO contacts (id, account_id, name) VALUES (1, 1, 'Customer');
"""
# Every insert updates the account's counter of display ids. Within one transaction those versions cannot be pruned,
# and each insert walks past all before it: many short transactions are several times as fast as a long one.
_BATCH = 200


# An inbox that stays empty: workers warm up on it.
IDLE_INBOX_ID = 1


@dataclass(frozen=True, slots=True)
class Lab:
    """The lab's database. `connection` is the control connection, which commits each statement."""

    server: Server
    conninfo: str
    connection: Connection

    def open_inbox(self, agents: int, conversations: int) -> int:
        """Open an inbox with `agents` members (ids from 1) and `conversations` free conversations; return its id."""
        row = self.connection.execute(
            "INSERT INTO inboxes (id, account_id, name) SELECT max(id) + 1, 1, 'Round' FROM inboxes RETURNING id"
        ).fetchone()
        assert row is not None
        inbox_id = int(row[0])
        self.connection.execute(
            "INSERT INTO inbox_members SELECT %s, n FROM generate_series(1, %s) n", (inbox_id, agents)
        )
        for first in range(1, conversations + 1, _BATCH):
            last = min(first + _BATCH - 1, conversations)
            self.connection.execute(_SQL["conversations"], (inbox_id, first, last))
        self.connection.execute("VACUUM (ANALYZE) conversations")
        return inbox_id

    def histories(self, inbox_id: int) -> dict[int, Sequence[int | None]]:
        """Return each conversation's own list of whom it was given to, oldest first."""
        rows = self.connection.execute("SELECT id, claims FROM conversations WHERE inbox_id = %s", (inbox_id,))
        return dict(rows.fetchall())


def put_back(control: Connection) -> None:
    """Take every conversation from its holder and forget the claims: a millisecond, against ten for TRUNCATE."""
    control.execute(_SQL["put back"])


def build_messenger(connection: Connection, project: Project) -> None:
    """Build the messenger at head with what the lab adds to it."""
    schema = (project.schema / "head.sql").read_text(encoding="utf-8")
    overlay = (files("inboxbench.messenger.races") / "lab.sql").read_text(encoding="utf-8")
    connection.execute(schema.encode())
    connection.execute(overlay.encode())


@contextmanager
def open_lab(server: Server, project: Project, agents: int) -> Iterator[Lab]:
    """Open a lab for the block; its scratch database is dropped however the block ends."""
    with scratch_database(server, "race") as name:
        conninfo = server.conninfo(name)
        with connect(conninfo) as connection:
            build_messenger(connection, project)
            connection.execute(sql.SQL(_PEOPLE))
            connection.execute(_SQL["agents"], (agents,))
            yield Lab(server, conninfo, connection)
