"""Parts that several rewrites share: batches by key, a NOT NULL through a CHECK, names after PostgreSQL's fashion."""

from __future__ import annotations

import re

from inboxbench.dryrun.rewrites.operation import actions
from inboxbench.dryrun.rewrites.steps import Step, Steps

BATCH = 5_000
_LONGEST_NAME = 63


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
    columns = actions(key)
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
    parts = [re.sub(r"\W+", "_", part).strip("_") for part in (table.rpartition(".")[2], column)]
    stem = "_".join(part for part in parts if part)
    return f"{stem[: _LONGEST_NAME - 1 - len(purpose)]}_{purpose}"
