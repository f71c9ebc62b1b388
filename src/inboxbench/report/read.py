"""From the JSON of a run to its values."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from inboxbench.report.model import (
    AtlasCell,
    BreakEven,
    Cell,
    Index,
    IndexSet,
    Machine,
    Matrix,
    Migration,
    ParameterClass,
    ParetoRow,
    Query,
    Race,
    Revision,
    Run,
    Seed,
    Server,
    Tool,
    Traffic,
    Write,
)

Record = TypeVar("Record")

# JSON names that are Python keywords or builtins, and the attributes they become.
_RENAMED = {"class": "parameter_class", "set": "index_set", "from": "from_revision", "to": "to_revision"}


def read_run(document: Mapping[str, Any]) -> Run:
    """The typed run of a validated document."""
    parts: dict[str, Any] = dict(_known_fields(Run, document))
    for name, kind in (("tool", Tool), ("machine", Machine), ("server", Server), ("seed", Seed)):
        if isinstance(document.get(name), Mapping):
            parts[name] = _record(kind, document[name])
    parts["migration"] = _migration(document.get("migration"))
    parts["matrix"] = _matrix(document.get("matrix"))
    parts["races"] = _records(Race, document.get("races"))
    parts["atlas"] = _records(AtlasCell, document.get("atlas"))
    verdict = document.get("verdict") or {}
    parts["pareto"] = _records(ParetoRow, verdict.get("pareto"))
    parts["break_even"] = _records(BreakEven, verdict.get("break_even"))
    return Run(**parts)


def _migration(document: Mapping[str, Any] | None) -> Migration | None:
    if not document:
        return None
    parts = _known_fields(Migration, document)
    parts["revisions"] = _records(Revision, document.get("revisions"))
    parts["traffic"] = _records(Traffic, document.get("traffic"))
    parts["dry_run"] = document if "statements" in document else None
    return Migration(**parts)


def _matrix(document: Mapping[str, Any] | None) -> Matrix | None:
    if not document:
        return None
    return Matrix(
        profile=document.get("profile", ""),
        queries=_records(Query, document.get("queries")),
        classes=_records(ParameterClass, document.get("classes")),
        sets=tuple(_index_set(item) for item in document.get("sets") or ()),
        cells=_records(Cell, document.get("cells")),
        notes=tuple(document.get("notes") or ()),
    )


def _index_set(document: Mapping[str, Any]) -> IndexSet:
    parts = _known_fields(IndexSet, document)
    parts["indexes"] = _records(Index, document.get("indexes"))
    parts["writes"] = _records(Write, document.get("writes"))
    return IndexSet(**parts)


def _records(kind: type[Record], documents: Sequence[Mapping[str, Any]] | None) -> tuple[Record, ...]:
    return tuple(_record(kind, item) for item in documents or ())


def _record(kind: type[Record], document: Mapping[str, Any]) -> Record:
    return kind(**_known_fields(kind, document))


def _known_fields(kind: type[Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """What this version of the record knows; a newer tool's extra keys and nulls fall back to the defaults."""
    names = {item.name for item in fields(kind)}
    renamed = {_RENAMED.get(key, key): value for key, value in document.items()}
    return {key: value for key, value in renamed.items() if key in names and value is not None}
