"""SQL scripts of the user's: what makes the tables and rows that are raced for, and what puts them back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.race.explore.scenario import Reset
from inboxbench.server import reason
from inboxbench.sqlfile import read_text


@dataclass(frozen=True, slots=True)
class Script:
    """name: what messages call it, a path for one that was read from a file."""

    text: str
    name: str

    @classmethod
    def read(cls, path: Path) -> Script:
        return cls(read_text(path), str(path))

    def run(self, connection: Connection, *, before: str = "") -> None:
        """`before` and the script as one transaction. Raises UsageError naming the script and the line."""
        try:
            connection.execute((before + self.text).encode())
        except psycopg.Error as error:
            position = error.diag.statement_position
            line = f" line {self._line(int(position) - len(before))}" if position else ""
            raise UsageError(f"{self.name}{line}: {reason(error)}") from None

    def _line(self, position: int) -> int:
        return self.text.count("\n", 0, max(0, position - 1)) + 1


def reset_by(script: Script) -> Reset:
    """Put the rows back by a script of the user's."""
    return script.run


def rebuild_by(setup: Script) -> Reset:
    """Put everything back by building it again: right for any setup, and slow."""
    return lambda referee: setup.run(referee, before="DROP SCHEMA public CASCADE; CREATE SCHEMA public;\n")
