"""What one session does, as SQL that a person reads: statements in order, each only when its condition holds.

    SELECT holder IS NULL AS free FROM tickets WHERE id = 1 FOR UPDATE;
    -- if free
    UPDATE tickets SET holder = :session WHERE id = 1;

`:name` is a value that the run gives (`:session` is the number of the session, from 1), a column of the row that an
earlier statement gave (NULL where it gave none), or `:touched`, how many rows the statement before gave or touched. A
line `-- if NAME` above a statement skips it unless that value is true; `-- if some` unless the statement before gave or
touched a row, `-- if none` if it did. What the session answers is its last column `answer`; without one true when its
last statement gave or touched a row, else nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.sqlfile import as_psycopg, parameters

_END = re.compile(r";[ \t]*(?:\n|$)")
_IF = re.compile(r"^-- if ([a-z_]+)$")
_TOUCHED = "touched"


@dataclass(frozen=True, slots=True)
class Step:
    """One statement as psycopg takes it, with the names of its parameters. condition: None for one without."""

    condition: str | None
    statement: bytes
    names: tuple[str, ...]

    def wanted(self, values: Mapping[str, Any], hit: bool) -> bool:
        if self.condition in ("some", "none"):
            return hit == (self.condition == "some")
        return self.condition is None or bool(values.get(self.condition))


def parse_steps(text: str, where: str, given: Collection[str] = ("session",)) -> tuple[Step, ...]:
    """Return the statements of `text`. given: the values of a run. Raises UsageError for a name that nothing gives."""
    steps: list[Step] = []
    known = {*given, _TOUCHED}
    for piece in _END.split(text):
        lines = [line for line in piece.splitlines() if line.strip()]
        conditions = [match[1] for line in lines if (match := _IF.match(line))]
        statement = "\n".join(line for line in lines if not line.startswith("--"))
        if not statement:
            continue
        step = Step(conditions[0] if conditions else None, as_psycopg(statement).encode(), parameters(statement))
        for name in (*step.names, *conditions):
            if name not in {*known, "some", "none"}:
                raise UsageError(f"{where}: no earlier statement gives {name!r}; name a column of one so")
        steps.append(step)
        known |= set(re.findall(r"\w+", statement))
    return tuple(steps)


def run_steps(connection: Connection, steps: Sequence[Step], values: Mapping[str, Any]) -> Any:
    """Execute the steps in the transaction that `connection` is in; return what the session answers."""
    known, hit = dict(values), False
    for step in steps:
        if not step.wanted(known, hit):
            hit = False
            continue
        cursor = connection.execute(step.statement, {name: known[name] for name in step.names})
        hit = cursor.rowcount > 0
        known[_TOUCHED] = cursor.rowcount
        if cursor.description:
            columns = [column.name for column in cursor.description]
            known |= dict(zip(columns, cursor.fetchone() or [None] * len(columns), strict=True))
    return known.get("answer", True if hit else None)
