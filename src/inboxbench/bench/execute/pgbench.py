"""The project's writes and reads as pgbench scripts, and how many writes a second an index set takes.

A write takes its values from a table of targets beside the data, by subselects within the statement: one round trip a
transaction, as in the application, and what the subselects cost is the same under every set. A read has its values as
constants, one script a class of parameters: it gets the plan that these values lead to, as its cell in the matrix.

Speed on a shared machine wanders by tens of per cent, so it is shown beside the counters and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from psycopg import sql
from psycopg.conninfo import make_conninfo

from inboxbench.bench.execute.overhead import PGBENCH_FLAGS, Overhead, as_text, measure_overhead
from inboxbench.bench.request import Request
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.workload.queries import Case
from inboxbench.bench.workload.writes import Targets
from inboxbench.database import Connection, connect
from inboxbench.errors import ServerError, SubjectFailed
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, Report, find_pgbench, run_scripts
from inboxbench.sqlfile import QueryFile, is_parameter, replaced
from inboxbench.sqltree.tokens import Token

# The same draws in every run and under every set.
FLAGS = (*PGBENCH_FLAGS, "--random-seed=1")
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
    """Make a table of each file of targets, its rows numbered from 1 as `place`."""
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_SCHEMA)))
    for name, types in _columns(writes).items():
        table = sql.Identifier(_SCHEMA, name)
        columns = [sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in types.items()]
        create = sql.SQL("CREATE UNLOGGED TABLE {} ({})")
        parts = [sql.SQL("place integer PRIMARY KEY"), *columns]
        connection.execute(create.format(table, sql.SQL(", ").join(parts)))
        names = sql.SQL(", ").join(map(sql.Identifier, ["place", *types]))
        with (
            connection.cursor() as cursor,
            cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy,
        ):
            for place, row in enumerate(targets[name], 1):
                copy.write_row([place, *(row[name] for name in types)])
        connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(table))


def _columns(writes: Iterable[QueryFile]) -> dict[str, dict[str, str]]:
    """Parameters and their types by the file of targets that gives them."""
    types: dict[str, dict[str, str]] = {}
    for write in writes:
        types.setdefault(write.classes[0], {}).update(write.params)
    return types


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
    values = {name: given.format(sql.Identifier(name), table).as_string(connection) for name in write.params}
    return f"\\set row random(1, {rows})\n{as_pgbench(write.text, values)};\n"


def as_pgbench(text: str, values: Mapping[str, str]) -> str:
    """`text` for a pgbench script, each :name replaced by the SQL that `values` has for it.

    pgbench takes a colon and a word for a variable of its own, in strings and comments, too: comments go, and strings
    with such a colon spell it as an escape.

    >>> as_pgbench("SELECT ':no', b::text -- :z", {})
    "SELECT U&'\\\\003Ano', b::text "
    >>> as_pgbench("SELECT :a", {"a": "CAST('1' AS bigint)"})
    "SELECT CAST('1' AS bigint)"
    """
    return replaced(text, lambda token: values[token.text[1:]] if is_parameter(token) else _without_colons(token))


def _without_colons(token: Token) -> str:
    text = token.text
    if token.kind == "comment":
        return "" if text.startswith("--") else " "
    if ":" not in text or (token.kind != "string" and not text.startswith('"')):
        return text
    if text.startswith(("E", "e")):
        return text.replace(":", "\\x3A")
    if text.startswith("$"):
        text = "'" + token.content.replace("'", "''") + "'"
    return "U&" + text.replace("\\", "\\\\").replace(":", "\\003A")


def pgbench_literal(text: str, kind: str) -> str:
    """A value, given in PostgreSQL's text form, as a constant of SQL type `kind` that pgbench leaves alone.

    >>> pgbench_literal("10:30", "time"), pgbench_literal("O'Brien", "text")
    ("CAST(U&'10\\\\003A30' AS time)", "CAST('O''Brien' AS text)")
    """
    quoted = "'" + text.replace("'", "''") + "'"
    if ":" in text or "\\" in text:
        quoted = "U&" + quoted.replace("\\", "\\\\").replace(":", "\\003A")
    return f"CAST({quoted} AS {kind})"


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
    script = f"{_acting(case.query)}{as_pgbench(case.query.text, values)};\n"
    return f"BEGIN;\n{script}ROLLBACK;\n" if case.query.rolled_back or _acting(case.query) else script


def _acting(query: QueryFile) -> str:
    """Return the statements that make a transaction act as the query's header says; empty where it says nothing."""
    wanted = {**query.settings, **({"role": query.role} if query.role else {})}
    given = [(pgbench_literal(name, "text"), pgbench_literal(value, "text")) for name, value in wanted.items()]
    return "".join(f"SELECT set_config({name}, {value}, true);\n" for name, value in given)


@dataclass(frozen=True, slots=True)
class Speed:
    """Holds what a matrix measures of speed beside its counters: the client's overhead and, for `seconds` whole
    seconds a family of writes and set (0: not at all), how many `clients` get through."""

    seconds: int = 2
    clients: int = 4


@dataclass(frozen=True, slots=True)
class Throughput:
    """Holds the speed of one family of writes: transactions a second by so many clients, each beginning when its last
    one ended."""

    family: str
    per_s: float
    transactions: int
    clients: int
    seconds: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"per_s": round(self.per_s, 1)}


def bounded(conninfo: str, timeout_s: float, role: str | None = None) -> str:
    """Return a conninfo whose statements end by themselves, and are executed as `role` (None: as its user)."""
    acting = "-c role={} ".format(re.sub(r"([\\ ])", r"\\\1", role)) if role else ""
    return make_conninfo(conninfo, options=f"{acting}-c statement_timeout={max(1, round(timeout_s * 1000))}")


def run_operation(program: Path, conninfo: str, operation: Operation, load: Load) -> Report:
    """Raises SubjectFailed when a client fails, or none got to the end of one transaction."""
    try:
        report = run_scripts(program, conninfo, list(operation.scripts.values()), load, FLAGS)
    except SubjectFailed as error:
        names = list(operation.scripts)
        raise SubjectFailed(re.sub(r"\bscript (\d+)", lambda match: names[int(match[1])], str(error))) from None
    if not report.transactions:
        raise SubjectFailed(f"no transaction of {operation.name} ended within {load.seconds} s")
    return report


def measure_throughput(
    server: Server,
    database: str,
    writes: Sequence[QueryFile],
    targets: Targets,
    *,
    speed: Speed,
    timeout_s: float,
) -> tuple[tuple[Throughput, ...], tuple[str, ...]]:
    """Throughput of each family of writes on `database`, which is written to, and why some have none.

    Raises ServerError where there is no pgbench.
    """
    program = find_pgbench(server)
    load = Load(speed.clients, speed.seconds)
    with connect(server.conninfo(database)) as connection:
        stage_targets(connection, writes, targets)
        operations = write_operations(connection, writes, targets)
    throughputs: list[Throughput] = []
    failed: list[str] = []
    for operation in operations:
        try:
            report = run_operation(program, bounded(server.conninfo(database), timeout_s), operation, load)
        except SubjectFailed as error:
            failed.append(f"throughput of {operation.name}: {error}")
        else:
            throughputs.append(
                Throughput(operation.name, report.per_s, report.transactions, load.clients, load.seconds)
            )
    return tuple(throughputs), tuple(failed)


@dataclass
class SpeedRun:
    """Holds what a run says of speed. Whatever keeps it from being measured is a note and no failure."""

    server: Server
    request: Request
    speed: Speed | None
    overhead: Overhead | None = None
    notes: dict[str, None] = field(default_factory=dict)

    def watch_client(self, database: str) -> None:
        """Once a run, on the first set's database."""
        if self.speed is None or self.overhead:
            return
        overhead = measure_overhead(self.server, database)
        if isinstance(overhead, Overhead):
            self.overhead = overhead
        else:
            self.notes[overhead] = None

    def watch_writes(self, database: str, index_set: IndexSet) -> tuple[Throughput, ...]:
        """Last of all on a set's database: it writes as much as it can."""
        request = self.request
        if self.speed is None or not self.speed.seconds or not request.writes:
            return ()
        try:
            throughputs, failed = measure_throughput(
                self.server, database, request.writes, request.targets, speed=self.speed, timeout_s=request.timeout_s
            )
        except ServerError as error:
            self.notes[f"throughput: {error}"] = None
            return ()
        self.notes |= dict.fromkeys(f"{problem}, under {index_set.title}" for problem in failed)
        return throughputs
