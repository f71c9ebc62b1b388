"""What pgbench is given to do: the project's writes and reads as scripts, a family at a time.

A write takes its values from a table of targets beside the data, by subselects within the statement: one round trip a
transaction, as in the application, and what the subselects cost is the same under every set. A read has its values as
constants, one script a class of parameters: it gets the plan that these values lead to, as its cell in the matrix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql

from inboxbench.bench.execute.client import as_text
from inboxbench.bench.workload.queries import Case
from inboxbench.database import Connection
from inboxbench.sqlfile import QueryFile, as_pgbench, pgbench_literal

Targets = Mapping[str, Sequence[Mapping[str, Any]]]

# Beside public, so that neither its sizes nor its statistics come into what is measured there.
_SCHEMA = "inboxbench_targets"
_MOST_SCRIPTS = 128  # pgbench's own limit


@dataclass(frozen=True, slots=True)
class Operation:
    """A family of writes or reads; `scripts` by what each is, drawn with equal chances."""

    name: str
    kind: Literal["write", "read"]
    scripts: Mapping[str, str]


def stage_targets(connection: Connection, writes: Iterable[QueryFile], targets: Targets) -> None:
    """A table of each file of targets, its rows numbered from 1 as `place`."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_SCHEMA)))
    for name, types in _columns(writes).items():
        table = sql.Identifier(_SCHEMA, name)
        columns = [sql.SQL("{} {}").format(sql.Identifier(one), sql.SQL(kind)) for one, kind in types.items()]
        create = sql.SQL("CREATE UNLOGGED TABLE {} (place integer PRIMARY KEY, {})")
        connection.execute(create.format(table, sql.SQL(", ").join(columns)))
        names = sql.SQL(", ").join(map(sql.Identifier, ["place", *types]))
        with (
            connection.cursor() as cursor,
            cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy,
        ):
            for place, row in enumerate(targets[name], 1):
                copy.write_row([place, *(row[one] for one in types)])
        connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(table))


def _columns(writes: Iterable[QueryFile]) -> dict[str, dict[str, str]]:
    """Parameters and their types by the file of targets that gives them."""
    found: dict[str, dict[str, str]] = {}
    for write in writes:
        found.setdefault(write.classes[0], {}).update(write.params)
    return found


def write_operations(connection: Connection, writes: Iterable[QueryFile], targets: Targets) -> tuple[Operation, ...]:
    """One for each family of writes."""
    families: dict[str, dict[str, str]] = {}
    for write in writes:
        rows = len(targets[write.classes[0]])
        families.setdefault(write.family, {})[write.name] = _write_script(connection, write, rows)
    return tuple(Operation(family, "write", scripts) for family, scripts in families.items())


def _write_script(connection: Connection, write: QueryFile, rows: int) -> str:
    table = sql.Identifier(_SCHEMA, write.classes[0])
    given = sql.SQL("(SELECT {} FROM {} WHERE place = :row)")
    values = {one: given.format(sql.Identifier(one), table).as_string(connection) for one in write.params}
    return f"\\set row random(1, {rows})\n{as_pgbench(write.text, values)};\n"


def read_operations(connection: Connection, cases: Iterable[Case]) -> tuple[Operation, ...]:
    """One for each family of reads, every query with every class of parameters."""
    families: dict[str, dict[str, str]] = {}
    for case in cases:
        scripts = families.setdefault(case.query.family, {})
        if len(scripts) < _MOST_SCRIPTS:
            scripts[case.name] = _read_script(connection, case)
    return tuple(Operation(family, "read", scripts) for family, scripts in families.items())


def _read_script(connection: Connection, case: Case) -> str:
    texts = as_text(connection, [case.values[name] for name in case.query.params])
    kinds = case.query.params.items()
    values = {name: pgbench_literal(text.decode(), kind) for (name, kind), text in zip(kinds, texts, strict=True)}
    return f"{as_pgbench(case.query.text, values)};\n"
