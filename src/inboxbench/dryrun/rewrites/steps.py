"""Steps of a rewrite, and parts that several rewrites share. A migration tool renders them as code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from inboxbench.sqltree.tokens import listed, name_parts

LOCK_TIMEOUT, ATTEMPTS, PAUSE_S = "100ms", 10, 0.1  # of a step that is retried; the pause doubles each time
BATCH = 5_000  # rows
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Step:
    """alone: outside of any transaction, as CONCURRENTLY needs it. retry: under lock_timeout, again when it strikes.

    key: of a batched step (several columns with commas), which is run again and again, each time in a transaction of
    its own: it gives the last key of its batch, and `{after}` in it is nothing at first, then `AND key > last`, until
    there is no last key. values: of its placeholders, which are run and not shown. note: a comment before its code.
    """

    sql: str
    alone: bool = False
    key: str = ""
    retry: bool = False
    values: dict[str, str] = field(default_factory=dict)
    note: str = ""


Steps = tuple[Step, ...]


def not_null(table: str, column: str) -> Steps:
    name = made_name(table, column, "present")
    return (
        Step(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID", alone=True),
        Step(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", alone=True),
        Step(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL", alone=True),
        Step(f"ALTER TABLE {table} DROP CONSTRAINT {name}", alone=True),
    )


def batches(table: str, assigned: str, where: str, key: str) -> Step:
    """By key, so that no batch reads what an earlier one did."""
    condition = f" AND ({where})" if where else ""
    columns = listed(key)
    row = f"({key})" if len(columns) > 1 else key
    last = ", ".join(f"{column} DESC" for column in columns)
    return Step(  # names as the project wrote them, in a statement of its own
        f"WITH batch AS (SELECT {key} FROM {table} WHERE true {{after}} ORDER BY {key} LIMIT {BATCH}), "  # noqa: S608
        f"done AS (UPDATE {table} SET {assigned} WHERE {row} IN (SELECT {key} FROM batch){condition}) "
        f"SELECT {key} FROM batch ORDER BY {last} LIMIT 1",
        key=key,
    )


def made_name(table: str, column: str, purpose: str) -> str:
    """After PostgreSQL's fashion; what is too long loses of the names, not of the purpose."""
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in (*name_parts(table)[-1:], column)]
    stem = "_".join(part for part in parts if part)
    return f"{stem[: _LONGEST_NAME - 1 - len(purpose)]}_{purpose}"
