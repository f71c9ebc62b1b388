"""What a statement writes to the version table of a migration tool, and what such a table says in a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from psycopg import sql

from inboxbench.database import Connection
from inboxbench.dryrun.tools.base import Stamp
from inboxbench.dryrun.tools.formats import FORMATS, Format
from inboxbench.sqlfile import read_sections
from inboxbench.sqltree import parse
from inboxbench.sqltree.commands import Command
from inboxbench.sqltree.tokens import Token, scan, split

_QUERIES = read_sections(__file__)
_MOST_READ = 10_000  # rows of a version table
_FEW_MARKS = 2  # other columns, with which a table of another name is the tool's


@dataclass(frozen=True, slots=True)
class Write:
    """One row that a statement writes: its values by column, of an UPDATE or DELETE those of its condition, too."""

    kind: str
    table: str
    values: Mapping[str, str | None]
    where: Mapping[str, str | None]

    def says(self, condition: str) -> bool:
        """Return whether it writes the value of `column=value`, or any value of `column`."""
        column, sign, value = condition.partition("=")
        return bool(column) and column in self.values and (not sign or self.values[column] == value)


@lru_cache(2048)
def read_write(statement: str) -> Write | None:
    """Return what a statement writes; None for one that writes no row, or not with values of its own."""
    command = parse(statement).only
    if command is None or command.target is None or command.kind not in ("insert", "update", "delete", "truncate"):
        return None
    tokens = scan(statement)
    place = next((at for at, token in enumerate(tokens) if token.means("where")), len(tokens))
    where = dict(_compared(tokens[place:]))
    if command.kind == "insert":
        return Write("insert", command.target.full_name, _inserted(command, tokens), {})
    values = dict(_compared(tokens[:place])) | dict.fromkeys(command.assigned)
    values |= {name: value for name, value in _compared(tokens[:place]) if value is not None}
    return Write(command.kind, command.target.full_name, values, where)


def _inserted(command: Command, tokens: Sequence[Token]) -> dict[str, str | None]:
    place = next((at for at, token in enumerate(tokens) if token.means("values")), len(tokens))
    row = _within(tokens[place + 1 :])
    return dict(zip(command.assigned, map(_value, split(row, ",")), strict=False))


def _within(tokens: Sequence[Token]) -> list[Token]:
    """Return what stands in the parentheses that the tokens begin with."""
    depth = 0
    for place, token in enumerate(tokens):
        depth += token.means("(") - token.means(")")
        if depth == 0:
            return list(tokens[1:place])
    return []


def _value(tokens: Sequence[Token]) -> str | None:
    """Return a literal's value, without its quotes and whatever it is cast to; None for an expression."""
    first = tokens[0] if tokens else None
    if first is None or (len(tokens) > 1 and not tokens[1].means("::")):
        return None
    if first.kind == "string":
        return first.content.replace("''", "'")
    return first.text.lower() if first.kind == "number" or first.means("true", "false") else None


def _compared(tokens: Sequence[Token]) -> Iterator[tuple[str, str | None]]:
    """Yield the columns that stand before a `=`, with the values behind it; of `x in ('a')` the first."""
    for place, (column, sign) in enumerate(pairwise(tokens)):
        if column.kind in ("identifier", "keyword") and (sign.means("=") or sign.means("in")):
            behind = [token for token in tokens[place + 2 : place + 5] if not token.means("(")][:1]
            yield column.value, _value(behind)


def format_of(write: Write, formats: Iterable[Format] = FORMATS) -> Format | None:
    """Return the tool that a write is of, by the name of its table and by columns that it writes."""
    name, columns = write.table.rpartition(".")[2], set(write.values) | set(write.where)
    for known in formats:
        own = {*known.identity, *known.marks}
        if write.kind == "insert" and own <= columns and (
            name.lower() == known.table.lower() or (known.renamed and len(known.marks) >= _FEW_MARKS)
        ):  # fmt: skip
            return known
    if write.kind == "insert":
        return None
    same = [known for known in formats if name.lower() == known.table.lower()]
    fitting = [known for known in same if columns & {*known.identity, known.closes, known.hashed} - {""}]
    opening = [known for known in same if known.opens]  # they write to their rows more than once
    undone = [known for known in fitting if write.kind == "delete" and not known.opens]
    return next(iter([*undone, *fitting, *opening]), None)


def read_stamp(statement: str, formats: Iterable[Format] = FORMATS) -> Stamp | None:
    """Return what a statement writes to a version table of one of these tools; None for any other.

    >>> read_stamp("INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0001_initial', now())").to
    'shop.0001_initial'
    """
    write = read_write(statement) if _may_write(statement, formats) else None
    known = format_of(write, formats) if write is not None else None
    return None if write is None or known is None else _stamp(known, write)


def _stamp(known: Format, write: Write) -> Stamp:
    """Return what a write to the version table of a tool says."""
    there, back = identity(known, write.values), identity(known, write.where) or write.where.get(known.hashed)
    stamp = Stamp(write.table, None, None, "remark", sure=True)
    if write.kind == "insert" and there and not any(write.says(row) for row in known.passes):
        if known.back and write.says(known.back):
            return replace(stamp, was=there, part="whole")
        if known.opens:
            return replace(stamp, to=there, part="opens" if write.says(known.opens) else "closes")
        return replace(stamp, to=there, part="whole")
    if write.kind == "update" and known.closes in write.values:
        return replace(stamp, to=back, part="closes")
    if write.kind == "delete" and back and not known.opens:
        return replace(stamp, was=back, part="whole")
    return stamp


def _may_write(statement: str, formats: Iterable[Format]) -> bool:
    """Return whether it names a column or table of a known tool: most statements need not be read."""
    return any(known.table in statement or known.identity[0] in statement for known in formats)


def identity(known: Format, values: Mapping[str, str | None]) -> str | None:
    """Return the id that these values are; None where one is missing."""
    parts = [values.get(column) for column in known.identity]
    return None if None in parts else known.join.join(map(str, parts))


@dataclass(frozen=True, slots=True)
class VersionTable:
    """A tool's table in a database, and the ids in it, the latest first."""

    known: Format
    schema: str
    name: str
    ids: tuple[str, ...]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


def version_tables(connection: Connection, formats: Sequence[Format] = FORMATS) -> list[VersionTable]:
    """Return the version tables of these tools that a database has, by schema and name."""
    rows = connection.execute(_QUERIES["tables"], {"names": [known.table.lower() for known in formats]}).fetchall()
    return [table for schema, name, columns in rows if (table := _table(connection, formats, schema, name, columns))]


def _table(
    connection: Connection, formats: Sequence[Format], schema: str, name: str, columns: Sequence[str]
) -> VersionTable | None:
    write = Write("insert", name, dict.fromkeys(columns), {})
    known = format_of(write, [known for known in formats if known.table.lower() == name.lower()])
    if known is None:
        return None
    query = sql.SQL("SELECT {} FROM {} ORDER BY ctid DESC LIMIT {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in known.identity),
        sql.Identifier(schema, name), sql.Literal(_MOST_READ),
    )  # fmt: skip
    rows = connection.execute(query).fetchall()
    return VersionTable(known, schema, name, tuple(known.join.join(map(str, row)) for row in rows))


def asked_table(statement: str, formats: Iterable[Format] = FORMATS) -> str | None:
    """Return the version table that a statement reads, locks or makes; None for any other.

    >>> asked_table("SELECT version FROM app.schema_migrations ORDER BY 1")
    'app.schema_migrations'
    """
    tables = {known.table.lower() for known in formats}
    if not any(name in statement.lower() for name in tables):
        return None
    command = parse(statement).only
    if command is None or command.kind not in ("select", "lock", "create table"):
        return None
    named = command.relations if command.kind != "select" else parse(statement).references.relations
    return next((relation.full_name for relation in named if relation.name.lower() in tables), None)
