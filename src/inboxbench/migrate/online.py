"""The operations revisions are written in: each is safe on a live, large table and safe to run twice.

A step is its own short transaction, or none where PostgreSQL demands it (CONCURRENTLY). It looks at the catalog
first, so an upgrade that died anywhere is finished by running it again; the version stamp comes last.
SQL arguments are literals of the revision, never text from outside.

Two kinds of waiting. Short DDL takes a lock that conflicts with reads or writes, so it may wait only
`lock_timeout` at a time. CREATE or DROP INDEX CONCURRENTLY and VALIDATE CONSTRAINT take SHARE UPDATE EXCLUSIVE,
which conflicts with neither: while they wait or work they hold up nobody but other DDL and VACUUM, so they wait
as long as it takes (lock_timeout 0, the session's setting).
"""

from inboxbench.migrate.columns import add_column, drop_column, drop_not_null, set_not_null
from inboxbench.migrate.constraints import add_check, add_constraint, drop_constraint, validate_constraint
from inboxbench.migrate.indexes import create_index, drop_index
from inboxbench.migrate.objects import (
    create_function,
    create_table,
    create_trigger,
    drop_function,
    drop_table,
    drop_trigger,
)
from inboxbench.migrate.steps import Text, run, session

__all__ = [
    "Text",
    "add_check",
    "add_column",
    "add_constraint",
    "create_function",
    "create_index",
    "create_table",
    "create_trigger",
    "drop_column",
    "drop_constraint",
    "drop_function",
    "drop_index",
    "drop_not_null",
    "drop_table",
    "drop_trigger",
    "run",
    "session",
    "set_not_null",
    "validate_constraint",
]
