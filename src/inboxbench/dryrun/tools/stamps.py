"""Which statements of a run write to the tool's version table: an application's table may have a column of that name.

It is known by what the project configures, else by what the tool asks it, by the ids that are written to it and by its
name, in this order. The parameters of such writes tell revisions apart; nobody else's are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.tools.base import Stamp, Tool
from inboxbench.migrate.history import History
from inboxbench.sqltree.tokens import inlined


def spelled(statement: Statement) -> str:
    """Return its text with the values of its placeholders."""
    return inlined(statement.sql, statement.values)


def same_table(one: str, other: str) -> bool:
    """Return whether two names may be of one table: a schema that is not named may be any.

    >>> same_table("alembic_version", "app.alembic_version"), same_table("a.version", "b.version")
    (True, False)
    """
    (schema, _, name), (other_schema, _, other_name) = one.rpartition("."), other.rpartition(".")
    return name == other_name and (not schema or not other_schema or schema == other_schema)


def among(table: str, names: Collection[str]) -> bool:
    """Return whether a table is one of those named."""
    return any(same_table(table, name) for name in names)


def shaped_stamps(tool: Tool, statements: Sequence[Statement]) -> list[Stamp | None]:
    """Return what each statement would write to a version table, were its table one."""
    return [None if statement.error else tool.read_stamp(spelled(statement)) for statement in statements]


def read_stamps(tool: Tool, statements: Sequence[Statement], history: History) -> list[Stamp | None]:
    """Return what each statement writes to the tool's version table; None for any other statement."""
    shaped = shaped_stamps(tool, statements)
    sure = {stamp.table for stamp in shaped if stamp is not None and stamp.sure}
    tables = {stamp.table for stamp in shaped if stamp is not None} - sure
    asked = {table for statement in statements if (table := tool.asked(statement.sql))}
    for known in _ways(tool, [stamp for stamp in shaped if stamp and stamp.table in tables], asked, history):
        if chosen := {table for table in tables if known(table)}:
            tables = chosen
            break
    return [stamp if stamp is not None and stamp.table in tables | sure else None for stamp in shaped]


def _ways(
    tool: Tool, stamps: Sequence[Stamp], asked: Collection[str], history: History
) -> Iterator[Callable[[str], bool]]:
    """Yield the ways to know a version table, the surest first."""
    configured = tool.configured(history)

    def by_ids(table: str) -> bool:
        ids = {value for stamp in stamps if stamp.table == table for value in (stamp.was, stamp.to) if value}
        return bool(ids) and ids <= history.scripts.keys()

    yield lambda table: among(table, configured)
    yield lambda table: among(table, asked) and by_ids(table)
    yield by_ids
    yield lambda table: among(table, asked)
    yield lambda table: among(table, tool.version_tables)
