"""A schema from SQL: the statements are run in a scratch database, and its catalogues are read.

So PostgreSQL itself normalises what was written, whoever wrote it. Nothing is run that reaches out of that database:
roles, databases, tablespaces, settings of the server and rows are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import psycopg

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.schema.catalogue import read_schema
from inboxbench.schema.model import Schema
from inboxbench.server import Server, reason
from inboxbench.sqltree import tokens


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL to run, whose lines are those of its file from `line` on. table: full name of the table that it is about.

    optional: nothing that is compared depends on it, so that it may fail, such as a function or a trigger. unread: the
    table could not be read, so that nothing about it is run.
    """

    sql: str
    line: int
    table: str = ""
    optional: bool = False
    unread: bool = False


@dataclass
class _Build:
    """A build under way. source: the name of the file, for messages."""

    connection: Connection
    server: str
    source: str
    remarks: list[str] = field(default_factory=list)
    lacking: list[str] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)

    def run(self, statement: Statement) -> None:
        """Run it. Raises UsageError with file and line for one that fails for no lack of the server's."""
        if statement.unread:
            self.unread.add(statement.table)
        if statement.table in self.unread:
            return
        try:
            self.connection.execute(statement.sql.encode())
        except psycopg.Error as error:
            self._failed(statement, error)

    def _failed(self, statement: Statement, error: psycopg.Error) -> None:
        why, where = reason(error), f"{self.source}:{statement.line + _lines_before(statement.sql, error)}"
        if isinstance(error, psycopg.errors.DuplicateSchema):
            return
        if extension := _extension(statement.sql):
            if not isinstance(error, psycopg.errors.DuplicateObject):
                self.lacking.append(f"the extension {extension}")
        elif isinstance(error, psycopg.errors.FeatureNotSupported) and _MAKES_COLLATION.match(statement.sql):
            self.lacking.append(f"a collation ({why})")
        elif statement.optional or self._follows(error):
            self._leave_out(statement, f"{where}: {_first_words(statement.sql)}: {why}{self._lack(error)}")
        else:
            raise UsageError(f"{where}: {self.server} does not take this: {why}; {_advice(error)}") from None

    def _follows(self, error: psycopg.Error) -> bool:
        """Whether it failed because something before it could not be made here."""
        return bool(self.lacking or self.unread) and isinstance(error, _ABSENT)

    def _lack(self, error: psycopg.Error) -> str:
        if not self.lacking or isinstance(error, psycopg.errors.UndefinedTable):
            return ""
        return f" ({self.server} lacks {', '.join(self.lacking)}; --server names one that has it)"

    def _leave_out(self, statement: Statement, what: str) -> None:
        if _MAKES_TABLE.match(statement.sql):
            self.unread.add(statement.table)
        self.remarks.append(what)


_MAKES_TABLE = re.compile(r"\s*CREATE\s+(?:\w+\s+)*(?:TABLE|MATERIALIZED\s+VIEW)\b", re.IGNORECASE)
_MAKES_COLLATION = re.compile(r"\s*CREATE\s+COLLATION\b", re.IGNORECASE)
_ABSENT = (
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.InvalidSchemaName,
)
# Extensions by words that stand in no SQL without them.
_PROVIDERS = {
    r"\bg(?:in|ist)_trgm_ops\b": "pg_trgm",
    r"\bcitext\b": "citext",
    r"\bhstore\b": "hstore",
    r"\bltree\b": "ltree",
    r"\buuid_generate_v\d": "uuid-ossp",
    r"\b(?:half|sparse)?vec(?:tor)?\b\s*\(": "vector",
    r"\bgeo(?:metry|graphy)\b": "postgis",
    r"\bUSING gist\b": "btree_gist",
    r"\bUSING gin\b": "btree_gin",
}


def extensions_for(statements: Iterable[Statement]) -> list[Statement]:
    """Return statements that create the extensions by whose words the others know themselves, for sources that have
    none of their own."""
    text = "\n".join(statement.sql for statement in statements)
    wanted = [name for pattern, name in _PROVIDERS.items() if re.search(pattern, text, re.IGNORECASE)]
    return [Statement(f'CREATE EXTENSION IF NOT EXISTS "{name}"', 1) for name in wanted]


def build(server: Server, statements: Sequence[Statement], *, source: str, remarks: Sequence[str] = ()) -> Schema:
    """Return the schema that the statements make. source: the file that they come from, as the user names it.

    Raises UsageError, naming file and line, for a statement that the server refuses.
    """
    with scratch_database(server, "compared") as name, connect(server.conninfo(name)) as connection:
        connection.execute("SET check_function_bodies = off")
        work = _Build(connection, server.label, source, list(remarks))
        for statement in statements:
            work.run(statement)
        schema = read_schema(connection, source)
    if not schema.tables:
        raise UsageError(f"{source}: makes no table, so there is nothing to compare; name a file with the whole schema")
    return Schema(source, schema.tables, schema.types, work.remarks, frozenset(work.unread))


def _extension(statement: str) -> str | None:
    name = re.match(r"""\s*CREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?("[^"]+"|[\w-]+)""", statement, re.IGNORECASE)
    return tokens.unquoted(name[1]) if name else None


def _lines_before(statement: str, error: psycopg.Error) -> int:
    """The lines of a statement above the place that the server complains about."""
    place = error.diag.statement_position
    return statement[: int(place) - 1].count("\n") if place else 0


def _first_words(statement: str) -> str:
    words = " ".join(statement.split())
    return words if len(words) <= 70 else f"{words[:67]}…"


def _advice(error: psycopg.Error) -> str:
    if isinstance(error, psycopg.errors.SyntaxError | psycopg.errors.FeatureNotSupported):
        return "correct it, or name a server of the version that wrote it with --server"
    return "correct the file; it has to make all that it names"
