"""The rewrite of a statement, with its own names: steps that can be run, and the code of a revision that runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from inboxbench.dryrun.rewrites.change_type import Dependents, retype
from inboxbench.dryrun.rewrites.operation import Kind, Operation, read_operation
from inboxbench.dryrun.rewrites.partitioned import Partitions, create_index, obstacle
from inboxbench.dryrun.rewrites.steps import Step, Steps, batches, made_name, not_null
from inboxbench.sqltree import parse
from inboxbench.sqltree.commands import Column
from inboxbench.sqltree.tokens import listed, unquoted

_BATCHED: tuple[Kind, ...] = ("type", "backfill", "add column")


def rewrite(
    sql: str, key: str = "id", has: Dependents | None = None, partitions: Partitions | None = None
) -> Steps | None:
    """Return what to run instead of `sql`, in order; None where no rewrite is known.

    key: the columns of the table's primary key, quoted as they need it, with commas between; without, what would need
    batches is left alone. has: what hangs on the column that gets another type. partitions: of its table, None
    where it has none.
    """
    operation = read_operation(sql)
    if operation is None or (not key and operation.kind in _BATCHED):
        return None
    if partitions is not None and obstacle(operation, partitions):
        return None
    if partitions is not None and operation.kind == "create index":
        return create_index(operation, partitions)
    if operation.kind == "type":
        return retype(operation, key, has)
    return _REWRITES[operation.kind](operation, key)


def proposal(
    sql: str, key: str | None, has: Dependents | None, render: Callable[..., str], partitions: Partitions | None = None
) -> str:
    """Code to paste; what stands in the way of a rewrite in batches or of a type, as a comment.

    key: as for `rewrite`, "" for a table without one, None where that is not known.
    """
    operation = read_operation(sql)
    if operation and key == "" and operation.kind in _BATCHED:
        return (
            f"# {operation.table} has no primary key to go through it by: batches need one. Give it a key first\n"
            "# (a unique index built CONCURRENTLY, then PRIMARY KEY USING INDEX), or accept the block in a quiet hour."
        )
    if operation and operation.kind == "type" and has and has.obstacles:
        return (
            f"# {operation.table}.{operation.column} is not exchanged for a second column by this code, because of "
            f"{', '.join(has.obstacles)}:\n# take these off first and put them back after it."
        )
    if operation and partitions is not None and (why := obstacle(operation, partitions)):
        return f"# {why}."
    return render(*(rewrite(sql, key or "", has, partitions) or ()))


def _create_index(change: Operation, _: str) -> Steps:
    unique = "UNIQUE " if change.unique else ""
    exists = "IF NOT EXISTS " if change.exists else ""
    name = f"CONCURRENTLY {exists}{change.name}"
    return (Step(f"CREATE {unique}INDEX {name} ON {change.table} {change.rest}", alone=True),)


def _drop_index(change: Operation, _: str) -> Steps:
    return (Step(f"DROP INDEX CONCURRENTLY {'IF EXISTS ' if change.exists else ''}{change.name}", alone=True),)


def with_references(earlier: Sequence[str], sql: str) -> tuple[int, Steps] | None:
    """Return the step for a column that is added and then given a foreign key: ADD COLUMN … REFERENCES checks no row.

    earlier: what its transaction ran before `sql`. Gives the place of the ADD COLUMN in it, and the step that does
    both; None where there is none, where it gives the column values, or where anything between speaks of the column.
    """
    key = read_operation(sql)
    if key is None or key.kind != "foreign key" or len(key.columns) != 1:
        return None
    for place in reversed(range(len(earlier))):
        added = read_operation(earlier[place])
        if added and (added.kind, added.table, added.columns) == ("add column", key.table, key.columns):
            if added.exists or (added.definition and _is_filled(added.definition)):
                return None
            definition = f"{key.column} {added.rest} CONSTRAINT {_named(key, 'fkey')} {key.references}"
            return place, (Step(f"ALTER TABLE {key.table} ADD COLUMN {definition}"),)
        if key.columns[0] in parse(earlier[place]).words:
            return None
    return None


def _is_filled(column: Column) -> bool:
    """Return whether the rows that are there get a value, or are to be checked."""
    return column.has("default", "generated", "identity", "foreign key", "not null") or column.type in _SERIAL


def _not_valid(change: Operation, _: str) -> Steps:
    name = _named(change, "fkey" if change.kind == "foreign key" else "check")
    return (
        Step(f"ALTER TABLE {change.table} ADD CONSTRAINT {name} {change.rest} NOT VALID", alone=True),
        Step(f"ALTER TABLE {change.table} VALIDATE CONSTRAINT {name}", alone=True),
    )


def _unique(change: Operation, _: str) -> Steps:
    name = _named(change, "key")
    return (
        Step(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {change.table} ({change.column})", alone=True),
        Step(f"ALTER TABLE {change.table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", alone=True),
    )


def _named(change: Operation, purpose: str) -> str:
    """Return the constraint's own name, else one after PostgreSQL's fashion."""
    return change.name or made_name(change.table, change.column, purpose)


_TRIGGERS = "each batch is an UPDATE, and fires the triggers that the table has for one, as ADD COLUMN does not"
_SERIAL = ("smallserial", "serial", "bigserial", "serial2", "serial4", "serial8")


def _backfill(change: Operation, key: str) -> Steps | None:
    if set(change.assigned) & {unquoted(name) for name in listed(key)}:
        return None  # a row would move ahead of the batches, and come again
    return (batches(change.table, change.rest, change.where, key),)


def _add_column(change: Operation, key: str) -> Steps | None:
    """Return the steps of a volatile default: for new rows at once, for those that are there in batches."""
    kinds = {constraint.kind for constraint in change.definition.constraints} if change.definition else set()
    if "default" not in kinds or kinds - {"default", "not null"}:
        return None
    column, table = change.column, change.table
    steps: Steps = (
        Step(f"ALTER TABLE {table} ADD COLUMN {column} {change.type}", alone=True),
        Step(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {change.default}", alone=True),
        replace(batches(table, f"{column} = {change.default}", f"{column} IS NULL", key), note=_TRIGGERS),
    )
    return steps + not_null(table, column) if "not null" in kinds else steps


_REWRITES: dict[Kind, Callable[[Operation, str], Steps | None]] = {
    "create index": _create_index,
    "drop index": _drop_index,
    "foreign key": _not_valid,
    "check": _not_valid,
    "unique": _unique,
    "not null": lambda change, _: not_null(change.table, change.column),
    "backfill": _backfill,
    "add column": _add_column,
}
