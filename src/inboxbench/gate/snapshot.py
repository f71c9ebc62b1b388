"""A snapshot: the counters of one head, in a file that is the same to the byte when nothing has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from inboxbench import __version__
from inboxbench.bench import Cell, Matrix, SetResult
from inboxbench.bench.model import plain
from inboxbench.documents import check_schema, parse_json
from inboxbench.errors import UsageError
from inboxbench.files import read_text, write_text

_NAMES = {
    "tool": "inboxbench",
    "data": "other rows (profile, seed, generator, schema/baseline.sql), digest",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """What counters depend on beside the schema and the queries.

    server: PostgreSQL's version; data: fingerprint of profile, seed, generator and baseline schema; settings: those
    of the measuring session that EXPLAIN calls changed.
    """

    tool: str
    server: str
    profile: str
    messages: int
    seed: int
    data: str
    settings: Mapping[str, str]


def environment_of(matrix: Matrix, *, server: str, profile: str, messages: int, seed: int, data: str) -> Environment:
    return Environment(__version__, server, profile, messages, seed, data, dict(matrix.settings))


def check_environment(before: Environment, now: Environment, where: str) -> list[str]:
    """Remarks on what differs without harm. Raises UsageError for what makes counters incomparable."""
    for name, said in _differences(before, now):
        raise UsageError(
            f"{where}: measured with {name} {said[0]}, this is {said[1]}: its counters do not compare; "
            "measure it again here with --update"
        )
    if before.server != now.server:
        return [f"baseline measured on PostgreSQL {before.server}, head on {now.server}"]
    return []


def _differences(before: Environment, now: Environment) -> Iterator[tuple[str, tuple[object, object]]]:
    majors = before.server.partition(".")[0], now.server.partition(".")[0]
    if majors[0] != majors[1]:
        yield "PostgreSQL", majors
    for field in fields(Environment):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if field.name == "settings":
            changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            if changed:
                name = changed[0]
                yield f"setting {name}", (old.get(name, "at its default"), new.get(name, "at its default"))
        elif field.name != "server" and old != new:
            yield _NAMES.get(field.name, field.name), (old, new)


FORMAT = 1
_AGAIN = "restore it, or delete it and make it again with --update"


@dataclass(frozen=True, slots=True)
class Reading:
    """One query with one class of parameters under one set.

    buffers: pages touched, hit or read; removed: rows read and thrown away; plan: its nodes in one line; answer,
    query, parameters: digests; failure: why there are no counters.
    """

    buffers: int | None
    rows: int | None
    removed: int | None
    plan: str | None
    answer: str | None
    query: str
    parameters: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """One kind of write under one set: bytes of WAL an execution, share of HOT among row updates (None: none)."""

    wal_bytes: float
    hot_share: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """One set: bytes of each index, those of all (rules included), its writes."""

    bytes: int
    indexes: Mapping[str, int]
    writes: Mapping[str, Writing]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Readings by `query/class/set`, costs by set; head: the last revision."""

    environment: Environment
    head: str
    readings: Mapping[str, Reading]
    costs: Mapping[str, Cost]

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}


def digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _reading(cell: Cell) -> Reading:
    plan, query = cell.plan, cell.case.query
    return Reading(
        buffers=plan.buffers if plan else None,
        rows=plan.rows if plan else None,
        removed=plan.removed if plan else None,
        plan=plan.line if plan else None,
        answer=cell.answer,
        query=digest(query.text),
        parameters=digest(sorted((name, plain(value)) for name, value in cell.case.values.items())),
        failure=cell.failure,
    )


def _cost(result: SetResult) -> Cost:
    return Cost(
        bytes=result.bytes,
        indexes={built.index.name: built.bytes for built in result.built},
        writes={
            write.name: Writing(
                round(write.wal_bytes, 1), None if write.hot_share is None else round(write.hot_share, 4)
            )
            for write in result.writes
        },
    )


def key_of(cell: Cell) -> str:
    return f"{cell.case.query.name}/{cell.case.parameter_class.name}/{cell.index_set}"


def snapshot_of(matrix: Matrix, environment: Environment, head: str) -> Snapshot:
    """What the gate keeps of a matrix."""
    return Snapshot(
        environment=environment,
        head=head,
        readings={key_of(cell): _reading(cell) for cell in matrix.cells},
        costs={result.index_set.name: _cost(result) for result in matrix.sets},
    )


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Write a snapshot, sorted, one figure a line, and make its folder. Raises UsageError if it cannot be written."""
    text = json.dumps(snapshot.to_json(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}; name another file") from None
    write_text(path, text)


def read_snapshot(path: Path) -> Snapshot:
    """Raises UsageError naming file and key for anything that is no snapshot: truncated, edited, of another kind."""
    return parse_snapshot(read_text(path), str(path))


def parse_snapshot(text: str, path: str) -> Snapshot:
    """The same for a text; `path` says in messages where it comes from."""
    document = parse_json(text, path, _AGAIN)
    if isinstance(document, dict) and document.get("format", FORMAT) != FORMAT:
        raise UsageError(f"{path} format: {document['format']!r}, this inboxbench writes {FORMAT}; make it anew")
    check_schema(document, path, "inboxbench.gate", "snapshot.schema.json", remedy=_AGAIN)
    return _parsed(document)


def _parsed(document: Mapping[str, Any]) -> Snapshot:
    costs = {
        name: Cost(cost["bytes"], cost["indexes"], {key: Writing(**write) for key, write in cost["writes"].items()})
        for name, cost in document["costs"].items()
    }
    readings = {key: Reading(**reading) for key, reading in document["readings"].items()}
    return Snapshot(Environment(**document["environment"]), document["head"], readings, costs)
