"""What --scales found, as a table: the worst first, each cost with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from inboxbench import units
from inboxbench.dryrun.rules.messages import short

HEADINGS = ("revision", "statement", "rows", "lock held", "stall", "duration", "WAL", "comes from")
_MOST, _LONGEST = 15, 5
_SQL = 60


def caption(scales: dict[str, Any]) -> str:
    shares = ", ".join(f"{share:.3g}" for share in scales["shares"])
    source = "--rows" if scales["rows_from"] == "--rows" else "the source's statistics"
    return (
        f"Fitted on {shares} of the source's rows as start + slope · rows; ± is the standard error, k the "
        f"exponent of a power law; rows of production from {source}"
    )


def rows_of(scales: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Of the worst revisions and then the worst statements, those that cost anything."""
    for one in [*_worst(scales["revisions"]), *_worst(scales["statements"])]:
        curves = {curve["measure"]: curve for curve in one["curves"]}
        if any(curve["slope"] for curve in one["curves"]):
            rows = f"{one['rows']:,} {', '.join(map(short, one['tables'])) or 'of all tables'}"
            text = "whole" if one["sql"] is None else one["sql"][:_SQL]
            yield one["revision"], text, rows, *_costs(curves), _origin(one["curves"])


def _worst(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that keep others waiting the longest, as they come, and then those that take the longest themselves."""
    rest = sorted(found[_MOST:], key=_duration, reverse=True)
    return [*found[:_MOST], *rest[:_LONGEST]]


def _duration(one: dict[str, Any]) -> float:
    return next((float(curve["value"]) for curve in one["curves"] if curve["measure"] == "duration_ms"), 0.0)


def _costs(curves: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name in ("lock_hold_ms", "stall_ms", "duration_ms", "wal_bytes"):
        yield _cost(curves[name])


def _cost(curve: dict[str, Any]) -> str:
    told = units.size if curve["measure"] == "wal_bytes" else units.millis
    if curve["slope"] == 0:
        return f"{told(curve['value'])}, constant" if curve["value"] else "–"
    return f"{told(curve['value'])} ± {told(curve['error'])}, k {curve['k']:.2f}"


def _origin(curves: Sequence[dict[str, Any]]) -> str:
    return "measured" if all(one["origin"] == "measured" for one in curves) else "extrapolated"
