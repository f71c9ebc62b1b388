"""A snapshot: the counters and rules of one head, in a file that is the same to the byte when nothing has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inboxbench.bench import Cell, Matrix, SetResult
from inboxbench.bench.model import plain
from inboxbench.documents import check_schema, parse_json
from inboxbench.errors import UsageError
from inboxbench.files import read_text, write_text
from inboxbench.gate.environment import Environment
from inboxbench.gate.rules import Rules

FORMAT = 2
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
    """One kind of write under one set; every figure is the mean of one execution.

    wal_bytes: bytes of WAL; hot_share: share of HOT among the row updates (None: no row was updated); rows: those that
    it changed; buffers: pages touched by the statement, its checks, policies, triggers and keys (None: not known);
    after: those of them that what fires after the statement touched; fired: calls of each trigger and key. query,
    parameters: digests of its text and of what it was executed with (None in files of format 1). failure: why there
    are no figures. disturbed: whose transactions kept dead rows alive meanwhile, so that WAL and HOT share are not the
    write's own.
    """

    wal_bytes: float | None
    hot_share: float | None
    rows: float | None = None
    buffers: float | None = None
    after: float | None = None
    fired: Mapping[str, float] = field(default_factory=dict)
    query: str | None = None
    parameters: str | None = None
    failure: str | None = None
    disturbed: str | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """One set: bytes of each index, those of all (unique ones included), its writes."""

    bytes: int
    indexes: Mapping[str, int]
    writes: Mapping[str, Writing]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Readings by `query/class/set`, costs by set, rules by relation (None: a file of format 1 knows none).

    head: the last revision; skipped: why a case could not be measured, by `query/class`.
    """

    environment: Environment
    head: str
    readings: Mapping[str, Reading]
    costs: Mapping[str, Cost]
    rules: Rules | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        document = {"format": FORMAT, **asdict(self)}
        del document["environment"]["made_of"]
        if self.environment.writing is None:
            del document["environment"]["writing"]
        for cost in document["costs"].values():
            for write in cost["writes"].values():
                if write["disturbed"] is None:
                    del write["disturbed"]
        return document


def digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def digest_of_values(values: Mapping[str, Any]) -> str:
    return digest(sorted((name, plain(value)) for name, value in values.items()))


def _reading(cell: Cell) -> Reading:
    plan, query = cell.plan, cell.case.query
    return Reading(
        buffers=plan.buffers if plan else None,
        rows=plan.rows if plan else None,
        removed=plan.removed if plan else None,
        plan=plan.line if plan else None,
        answer=cell.answer,
        query=digest(query.text),
        parameters=digest_of_values(cell.case.values),
        failure=cell.failure,
    )


def _cost(result: SetResult, writes: Mapping[str, Writing]) -> Cost:
    return Cost(result.bytes, {built.index.name: built.bytes for built in result.built}, writes)


def key_of(cell: Cell) -> str:
    return f"{cell.case.query.name}/{cell.case.parameter_class.name}/{cell.index_set}"


def snapshot_of(
    matrix: Matrix, writes: Mapping[str, Mapping[str, Writing]], rules: Rules, environment: Environment, head: str
) -> Snapshot:
    """Return what the gate keeps of a matrix. writes: by set, then by write."""
    return Snapshot(
        environment=environment,
        head=head,
        readings={key_of(cell): _reading(cell) for cell in matrix.cells},
        costs={result.index_set.name: _cost(result, writes[result.index_set.name]) for result in matrix.sets},
        rules=rules,
        skipped=dict(_skipped(text) for text in matrix.workload.skipped),
    )


def _skipped(text: str) -> tuple[str, str]:
    """`query [class]: why` as `query/class` and why."""
    case, _, why = text.partition(": ")
    return case.replace(" [", "/").removesuffix("]"), why


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
    if isinstance(document, dict):
        document = _upgraded(document, path)
    check_schema(document, path, "inboxbench.gate", "snapshot.schema.json", remedy=_AGAIN)
    return _parsed(document)


def _upgraded(document: dict[str, Any], path: str) -> dict[str, Any]:
    """A document of format 1, which knows the rows by what they were made of, and neither rules nor pages of writes, in
    the form of today. What is wrong in it is left for the schema to say."""
    if document.get("format", FORMAT) == FORMAT:
        return document
    if document["format"] != 1 or isinstance(document["format"], bool):
        raise UsageError(f"{path} format: {document['format']!r}, this inboxbench writes {FORMAT}; make it again")
    upgraded = {**document, "format": FORMAT, "rules": None, "skipped": {}}
    if isinstance(old := document.get("environment"), dict):
        renamed = {"messages": "rows", "data": "made_of"}
        upgraded["environment"] = {renamed.get(key, key): value for key, value in old.items()} | {
            "data": {},
            "role": None,
        }
    for cost in _members(document.get("costs")):
        for write in _members(cost.get("writes")):
            write |= {"rows": None, "buffers": None, "after": None, "fired": {}}
            write |= {"query": None, "parameters": None, "failure": None}
    return upgraded


def _members(value: object) -> list[dict[str, Any]]:
    return [member for member in value.values() if isinstance(member, dict)] if isinstance(value, dict) else []


def _parsed(document: Mapping[str, Any]) -> Snapshot:
    costs = {
        name: Cost(cost["bytes"], cost["indexes"], {key: Writing(**write) for key, write in cost["writes"].items()})
        for name, cost in document["costs"].items()
    }
    readings = {key: Reading(**reading) for key, reading in document["readings"].items()}
    environment = Environment(**document["environment"])
    return Snapshot(environment, document["head"], readings, costs, document["rules"], document["skipped"])
