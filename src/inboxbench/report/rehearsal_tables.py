"""Tables of a dry run: figures of both ways, the longest stalls with their causes, the statements that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inboxbench import units

BLOCKING = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE")
_STALLS, _STATEMENTS, _SQL = 40, 60, 120  # rows, rows, characters
_UNITS = {"ms": units.millis, "bytes": units.size}


@dataclass(frozen=True, slots=True)
class StallRow:
    name: str
    waited: str
    at: str
    reason: str
    culprit: str


@dataclass(frozen=True, slots=True)
class StatementRow:
    sql: str
    revision: str | None
    duration_ms: float
    wal_bytes: int
    kept: Sequence[str]


def compared_figures(compared: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """A row a figure: its name, of the original, of the rewrite. Those known come first, others by their own names."""
    original, rewrite = compared["original"], compared["rewrite"]
    titles = compared.get("titles") or {}
    names = dict.fromkeys((*(name for name in titles if name in original), *original, *rewrite))
    return [
        (
            titles.get(name) or name.replace("_", " "),
            _figure(name, original.get(name)),
            _figure(name, rewrite.get(name)),
        )
        for name in names
    ]


def longest_stalls(run: Mapping[str, Any]) -> list[StallRow]:
    found = [(felt["class"], stall) for felt in run["traffic"] for stall in felt["stalls"]]
    found.sort(key=lambda one: -one[1]["duration_ms"])
    statements = {one["number"]: one for one in run["statements"]}
    begin = first_start(run)
    return [_stall(name, stall, statements, begin) for name, stall in found[:_STALLS]]


def longest_statements(run: Mapping[str, Any]) -> list[StatementRow]:
    """Those that ran or kept a table locked for longest, the longest first."""
    found = sorted(run["statements"], key=lambda one: -max(one["duration_ms"], *_held(one), 0.0))
    return [
        StatementRow(brief(one), one["revision"], one["duration_ms"], one["wal_bytes"], _kept(one))
        for one in found[:_STATEMENTS]
    ]


def keeps_out(lock: Mapping[str, Any]) -> bool:
    """Whether it keeps somebody out of a table that was there before."""
    return lock["mode"] in BLOCKING and lock["kind"] == "table" and not lock["created"]


def brief(statement: Mapping[str, Any]) -> str:
    """Its SQL on one line, the beginning of it."""
    text = " ".join(statement["sql"].split())
    return text if len(text) <= _SQL else f"{text[: _SQL - 1]}…"


def bare(relation: str) -> str:
    return relation.removeprefix("public.")


def first_start(run: Mapping[str, Any]) -> float:
    """When the first statement began, ms on the run's clock."""
    return min((float(one["started_ms"]) for one in run["statements"]), default=0.0)


def _figure(name: str, value: float | None) -> str:
    return _UNITS.get(name.rpartition("_")[2], units.number)(value)


def _stall(name: str, stall: Mapping[str, Any], statements: Mapping[int, Any], begin: float) -> StallRow:
    at = f"{(stall['started_ms'] - begin) / 1000:.1f} s"
    culprit = statements.get(stall.get("statement") or 0)
    during = "" if stall.get("held") else "no lock in the way; meanwhile: "
    said = f"{during}{culprit['revision'] or ''} {brief(culprit)}".strip() if culprit else units.DASH
    return StallRow(name, units.millis(stall["duration_ms"]), at, _reason(stall), said)


def _reason(stall: Mapping[str, Any]) -> str:
    still = stall.get("still_ms") or 0.0
    if still > stall["duration_ms"] / 2:
        return f"the tool's own clock stood still for {units.millis(still)} of it"
    if not stall.get("held"):
        return units.DASH
    words = f"{stall.get('wanted') or 'a lock'} on {bare(stall.get('relation') or '?')}, against {stall['held']}"
    behind = f" behind {stall['behind']}" if stall.get("behind") else ""
    return f"{words}, queued{behind}" if stall.get("queued") else words


def _held(one: Mapping[str, Any]) -> list[float]:
    return [lock["held_ms"] for lock in one["locks"] if keeps_out(lock)]


def _kept(one: Mapping[str, Any]) -> list[str]:
    locks = (lock for lock in one["locks"] if keeps_out(lock))
    return [f"{bare(lock['relation'])} {lock['mode']} {units.millis(lock['held_ms'])}" for lock in locks]
