"""What to do instead, where a rule has another remedy for another command."""

from __future__ import annotations

from inboxbench.dryrun.model import Statement
from inboxbench.sqltree.commands import Command

TWO_RELEASES = (
    "spread it over two releases. First: the column nullable or with a DEFAULT, and code that always gives it a value, "
    "deployed everywhere. Then: fill the old rows in batches, and SET NOT NULL by a validated CHECK (… IS NOT NULL)."
)
_REPACK = (
    "rewrite it beside the table with pg_repack or pg_squeeze, which lock it for a moment at the end; else run it in a "
    "quiet hour, with a lock_timeout, and outside of the migrations. No migration needs the order or the file of rows."
)
_NEW_COLUMN = (
    "add a plain column, which is instant, give it its default or sequence for new rows, and fill the old rows in "
    "batches; instead of a stored generated column, keep a plain one alike by a trigger."
)
_REFRESH = "REFRESH MATERIALIZED VIEW CONCURRENTLY, which needs a unique index on it and lets its readers pass."
_BOUNDS = (
    "give the default partition a CHECK that excludes the new bounds, NOT VALID, and VALIDATE it in a transaction of "
    "its own: the server then reads no row under the lock."
)
_ATTACH = (
    "give the table a CHECK that implies the bounds (and a default partition one that excludes them), NOT VALID, and "
    "VALIDATE it in a transaction of its own: ATTACH then reads no row under the lock; drop the CHECK after it."
)
_REINDEX = "REINDEX … CONCURRENTLY, outside of a transaction, which lets reads and writes pass."
_CHECKED = "add the column without the CHECK; add the CHECK NOT VALID, and VALIDATE it in a transaction of its own."
PARTITIONED = (
    "CONCURRENTLY is impossible on a partitioned table: CREATE INDEX ON ONLY the parent, which is instant; CREATE "
    "INDEX CONCURRENTLY on each partition; ALTER INDEX … ATTACH PARTITION each, which makes the parent's index valid."
)


def of_rewrite(statement: Statement) -> str:
    """Return the remedy for what rewrote a table; "" for another type of a column, which is the rule's own."""
    command = statement.parsed.only
    if command is None or command.does("alter column type"):
        return ""
    if command.kind in ("vacuum", "cluster"):
        return _REPACK
    if command.kind.startswith("refresh"):
        return _REFRESH
    return _NEW_COLUMN if command.does("add column") else _REPACK


def of_scan(statement: Statement) -> str:
    """Return the remedy for what read a table whole under its lock; "" for what has none of its own."""
    return next((remedy for command in statement.parsed.commands if (remedy := _of_scan(command))), "")


def _of_scan(command: Command) -> str:
    if command.kind == "create table":
        return _BOUNDS
    if command.does("attach partition"):
        return _ATTACH
    if command.kind == "reindex":
        return _REINDEX
    if command.kind.startswith("refresh"):
        return _REFRESH
    return _CHECKED if command.does("add column") and command.constrains("check") else ""
