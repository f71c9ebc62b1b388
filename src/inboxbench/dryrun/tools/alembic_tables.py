"""Alembic's version table: what env.py calls it, what Alembic asks it and writes to it, and what it says in a database.

Any table may have a column `version_num`, so that one alone makes no version table.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from psycopg import sql

from inboxbench.database import Connection
from inboxbench.dryrun.tools.base import Stamp
from inboxbench.dryrun.tools.stamps import among
from inboxbench.migrate.history import History
from inboxbench.sqlfile import read_sections
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import scan

VERSION_TABLE = "alembic_version"
_COLUMN = "version_num"
_QUERIES = read_sections(__file__)
# Any of these makes it a call of Alembic's; None: of **options.
_OF_ALEMBIC = {None, "connection", "url", "dialect_name", "target_metadata", "version_table", "version_table_schema"}
_NAME = r'(?:"(?:[^"]|"")+"|\w+)(?:\.(?:"(?:[^"]|"")+"|\w+))?'
# As SQLAlchemy writes what Alembic asks at its beginning, and what it makes where there is no such table.
_ASKED = re.compile(rf"SELECT (?P<table>{_NAME})\.{_COLUMN}\s+FROM (?P=table)\s*", re.IGNORECASE)
_MADE = re.compile(rf"\s*CREATE TABLE (?P<table>{_NAME}) \(\s*{_COLUMN} VARCHAR\(\d+\) NOT NULL,.*_pkc", re.DOTALL)


def read_stamp(statement: str) -> Stamp | None:
    """Return what a statement writes to a table as Alembic writes to its version table; None for any other."""
    command = parse(statement).only if _COLUMN in statement else None
    if command is None or command.target is None:
        return None
    table, tokens = command.target.full_name, scan(statement)
    if command.kind == "insert":
        values = [token.content for token in tokens if token.kind == "string"]
        return Stamp(table, None, values[0]) if values and command.assigned == (_COLUMN,) else None
    triples = zip(tokens, tokens[1:], tokens[2:], strict=False)
    values = [value.content for column, sign, value in triples
              if column.value == _COLUMN and sign.means("=") and value.kind == "string"]  # fmt: skip
    if command.kind == "update" and len(values) == 2 and command.assigned == (_COLUMN,):
        return Stamp(table, was=values[1], to=values[0])
    return Stamp(table, was=values[0], to=None) if command.kind == "delete" and values else None


def asked_table(statement: str) -> str | None:
    """Return the table that a statement asks, or makes, as Alembic does with its version table.

    >>> asked_table("SELECT meta.versions.version_num \\nFROM meta.versions")
    'meta.versions'
    """
    match = _ASKED.fullmatch(statement) or _MADE.match(statement)
    return match["table"].replace('"', "") if match else None


def environments(folder: Path | None, history: History) -> list[Path]:
    """Return the env.py of a folder of scripts, else those nearest above the revision files."""
    if folder is not None:
        return [folder / "env.py"] if (folder / "env.py").is_file() else []
    parents = {script.path.parent for script in history.scripts.values()}
    near = (
        next(filter(Path.is_file, (up / "env.py" for up in (place, *place.parents[:3]))), None) for place in parents
    )
    return sorted({path for path in near if path is not None})


def configured(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return the version tables (name or schema.name) that these env.py configure; none where they do not say it."""
    return tuple(dict.fromkeys(name for path in paths for name in _configured(path)))


@lru_cache(maxsize=16)
def _configured(path: Path) -> tuple[str, ...]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    texts = _texts(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _configures(node)]
    names = [_of_call(call, texts) for call in calls]
    return () if None in names else tuple(sorted({name for name in names if name}))


def _configures(node: ast.Call) -> bool:
    """Return whether it is context.configure(…), and not that of a logger."""
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return called == "configure" and bool({keyword.arg for keyword in node.keywords} & _OF_ALEMBIC)


def _of_call(call: ast.Call, texts: dict[str, str]) -> str | None:
    """Return None where another place gives the name: **options, a setting, a function."""
    given = {keyword.arg: _text(keyword.value, texts) for keyword in call.keywords}
    if None in given or ("version_table" in given and given["version_table"] is None):
        return None
    name, schema = given.get("version_table", VERSION_TABLE), given.get("version_table_schema")
    return f"{schema}.{name}" if schema else name


def _text(node: ast.expr, texts: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return texts.get(node.id)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _texts(tree: ast.Module) -> dict[str, str]:
    """Names that are given one text, and only one, anywhere in the file."""
    given: dict[str, set[str | None]] = {}
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign):
                given.setdefault(target.id, set()).add(_text(node.value, {}))
    return {name: text for name, values in given.items() if len(values) == 1 and (text := next(iter(values)))}


@dataclass(frozen=True, slots=True)
class Kept:
    """A table of a database that may be a version table, and the ids in it."""

    schema: str
    name: str
    ids: tuple[str, ...]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


def kept(connection: Connection) -> list[Kept]:
    """Return the tables with that column alone, or with the key that Alembic gives it, by schema and name."""
    rows = connection.execute(_QUERIES["tables"]).fetchall()
    return [Kept(schema, name, tuple(_ids(connection, schema, name))) for schema, name in rows]


def _ids(connection: Connection, schema: str, name: str) -> Iterator[str]:
    query = sql.SQL("SELECT version_num::text FROM {} WHERE version_num IS NOT NULL ORDER BY 1 LIMIT 1000")
    return (revision for (revision,) in connection.execute(query.format(sql.Identifier(schema, name))))


def true_tables(tables: list[Kept], names: Collection[str], history: History) -> list[Kept]:
    """Return those that are version tables. names: as the project configures them, none where that is not known."""
    if names:
        return [table for table in tables if among(table.full_name, names)]
    by_ids = [table for table in tables if table.ids and set(table.ids) <= history.scripts.keys()]
    by_name = [table for table in tables if table.name == VERSION_TABLE]
    return by_ids or by_name or ([] if history.scripts else tables)
