"""Which rows a statement changed: itself, by its triggers, or in the functions, procedures and blocks that it calls."""

from __future__ import annotations

from inboxbench.dryrun.model import Statement
from inboxbench.sqltree import parse

_CALLING = ("select", "call", "do")


def modifies(statement: Statement) -> bool:
    """Return whether it changes rows, itself, in a WITH, or by code that it calls."""
    return any(command.writes for command in statement.parsed.commands) or changes_within(statement)


def changes_within(statement: Statement) -> bool:
    """Return whether code that it calls changed rows: a function, a procedure, a block of DO."""
    return statement.parsed.has(*_CALLING) and rows_changed(statement) > 0


def rows_changed(statement: Statement) -> int:
    """Return how many rows it changed or, within the code that it calls, wrote."""
    return max(statement.dead_tuples, sum(inner.rows for inner in statement.inner if inner.writes))


def names(statement: Statement, relation: str | None) -> bool:
    """Return whether its text, what ran within it or a lock of it names the relation (schema.name)."""
    if relation is None:
        return False
    name = relation.partition(".")[2]
    texts = (statement.parsed, *(parse(inner.sql) for inner in statement.inner))
    return any(name in parsed.words for parsed in texts) or any(lock.relation == relation for lock in statement.locks)
