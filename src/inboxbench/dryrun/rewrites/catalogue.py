"""The rewrite of a statement, with its own names: steps that can be run, and the code of a revision that runs them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from inboxbench.dryrun.rewrites.change_type import Dependents, retype
from inboxbench.dryrun.rewrites.operation import NAME, Kind, Operation, actions, read_operation, unquoted
from inboxbench.dryrun.rewrites.sql_parts import batches, made_name, not_null
from inboxbench.dryrun.rewrites.steps import Step, Steps, as_code

_BATCHED: tuple[Kind, ...] = ("type", "backfill", "add column")


def rewrite(sql: str, key: str = "id", has: Dependents | None = None) -> Steps | None:
    """What to run instead of `sql`, in order; None where no rewrite is known.

    key: the columns of the table's primary key, quoted as they need it, with commas between; without, what would need
    batches is left alone. has: what hangs on the column that gets another type.
    """
    operation = read_operation(sql)
    if operation is None or (not key and operation.kind in _BATCHED):
        return None
    if operation.kind == "type":
        return retype(operation, key, has)
    return _REWRITES[operation.kind](operation, key)


def proposal(sql: str, key: str, has: Dependents | None = None) -> str:
    """Code to paste; what stands in the way of a rewrite in batches or of a type, as a comment."""
    operation = read_operation(sql)
    if operation and not key and operation.kind in _BATCHED:
        return (
            f"# {operation.table} has no primary key to go through it by: batches need one. Give it a key first\n"
            "# (a unique index built CONCURRENTLY, then PRIMARY KEY USING INDEX), or accept the block in a quiet hour."
        )
    if operation and operation.kind == "type" and has and has.obstacles:
        return (
            f"# {operation.table}.{operation.column} is not exchanged for a second column by this code, because of "
            f"{', '.join(has.obstacles)}:\n# take these off first and put them back after it."
        )
    return as_code(rewrite(sql, key, has))


def _create_index(one: Operation, _: str) -> Steps:
    unique = "UNIQUE " if one.unique else ""
    exists = "IF NOT EXISTS " if one.exists else ""
    return (Step(f"CREATE {unique}INDEX CONCURRENTLY {exists}{one.name} ON {one.table} {one.rest}", alone=True),)


def _drop_index(one: Operation, _: str) -> Steps:
    return (Step(f"DROP INDEX CONCURRENTLY {'IF EXISTS ' if one.exists else ''}{one.name}", alone=True),)


def with_references(earlier: Sequence[str], sql: str) -> tuple[int, Steps] | None:
    """A column that is added, then given a foreign key: it is empty, so ADD COLUMN … REFERENCES has no row to check.

    earlier: what its transaction ran before `sql`. Gives the place of the ADD COLUMN in it, and the step that does
    both; None where there is none, where it gives the column values, or where anything between speaks of the column.
    """
    key = read_operation(sql)
    found = re.fullmatch(r"FOREIGN KEY ?\([^)]+\) (REFERENCES .+)", key.rest if key else "", re.IGNORECASE)
    if key is None or found is None:
        return None
    column = key.column.strip()
    for place in reversed(range(len(earlier))):
        added = read_operation(earlier[place])
        if added and (added.kind, added.table, added.column) == ("add column", key.table, column):
            filled = re.search(r"\b(DEFAULT|GENERATED|REFERENCES|NOT NULL|\w*SERIAL)\b", added.rest, re.IGNORECASE)
            if filled or added.exists:
                return None
            definition = f"{column} {added.rest} CONSTRAINT {_named(key, 'fkey')} {found[1]}"
            return place, (Step(f"ALTER TABLE {key.table} ADD COLUMN {definition}"),)
        if re.search(rf"(?<![\w$]){re.escape(column)}(?![\w$])", earlier[place]):
            return None
    return None


def _not_valid(one: Operation, _: str) -> Steps:
    name = _named(one, "fkey" if one.kind == "foreign key" else "check")
    return (
        Step(f"ALTER TABLE {one.table} ADD CONSTRAINT {name} {one.rest} NOT VALID", alone=True),
        Step(f"ALTER TABLE {one.table} VALIDATE CONSTRAINT {name}", alone=True),
    )


def _unique(one: Operation, _: str) -> Steps:
    name = _named(one, "key")
    return (
        Step(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {one.table} ({one.column})", alone=True),
        Step(f"ALTER TABLE {one.table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", alone=True),
    )


def _named(one: Operation, purpose: str) -> str:
    """The constraint's own name, else one after PostgreSQL's fashion."""
    return one.name or made_name(one.table, one.column, purpose)


_TRIGGERS = "each batch is an UPDATE, and fires the triggers that the table has for one, as ADD COLUMN does not"
_DEFAULT = re.compile(r"(?P<type>.+?) DEFAULT (?P<default>.+?)(?P<null> NOT NULL)?", re.IGNORECASE)


def _backfill(one: Operation, key: str) -> Steps | None:
    assigned = {unquoted(name) for part in actions(one.rest) for name in NAME.findall(part.partition("=")[0])}
    if assigned & {unquoted(name) for name in actions(key)}:
        return None  # a row would move ahead of the batches, and come again
    return (batches(one.table, one.rest, one.where, key),)


def _add_column(one: Operation, key: str) -> Steps | None:
    """A volatile default: for new rows at once, for those that are there in batches."""
    found = _DEFAULT.fullmatch(re.sub(r"^(.+?) NOT NULL DEFAULT (.+)$", r"\1 DEFAULT \2 NOT NULL", one.rest))
    if found is None or re.search(r"\b(GENERATED|REFERENCES|CHECK|UNIQUE)\b", one.rest, re.IGNORECASE):
        return None
    column, table = one.column, one.table
    steps: Steps = (
        Step(f"ALTER TABLE {table} ADD COLUMN {column} {found['type']}", alone=True),
        Step(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {found['default']}", alone=True),
        replace(batches(table, f"{column} = {found['default']}", f"{column} IS NULL", key), note=_TRIGGERS),
    )
    return steps + not_null(table, column) if found["null"] else steps


_REWRITES: dict[Kind, Callable[[Operation, str], Steps | None]] = {
    "create index": _create_index,
    "drop index": _drop_index,
    "foreign key": _not_valid,
    "check": _not_valid,
    "unique": _unique,
    "not null": lambda one, _: not_null(one.table, one.column),
    "backfill": _backfill,
    "add column": _add_column,
}
