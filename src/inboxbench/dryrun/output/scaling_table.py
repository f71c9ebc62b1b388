"""What --scales found, as a table: the worst first, each cost with where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inboxbench import units
from inboxbench.dryrun.more import Curve, Grown, Scales
from inboxbench.dryrun.rules.messages import short

HEADINGS = ("revision", "statement", "rows", "lock held", "stall", "duration", "WAL", "comes from")
_MOST, _LONGEST = 15, 5
_SQL = 60
_SHOWN = ("lock_hold_ms", "stall_ms", "duration_ms", "wal_bytes")


def caption(scales: Scales) -> str:
    shares = ", ".join(f"{share:.3g}" for share in scales.shares)
    source = "--rows" if scales.rows_from == "--rows" else "the source's statistics"
    return (
        f"Fitted on {shares} of the source's rows as start + slope · rows; ± is the standard error, k the "
        f"exponent of a power law; rows of production from {source}"
    )


def rows_of(scales: Scales) -> Iterator[tuple[str, ...]]:
    """Of the worst revisions and then the worst statements, those that cost anything."""
    for grown in [*_worst(scales.revisions), *_worst(scales.statements)]:
        if not all(curve.constant for curve in grown.curves):
            rows = f"{grown.rows:,} {', '.join(map(short, grown.tables)) or 'of all tables'}"
            text = "whole" if grown.sql is None else grown.sql[:_SQL]
            costs = (_cost(grown.curve(measure)) for measure in _SHOWN)
            measured = all(curve.origin == "measured" for curve in grown.curves)
            yield grown.revision, text, rows, *costs, "measured" if measured else "extrapolated"


def _worst(found: Sequence[Grown]) -> list[Grown]:
    """Those that keep others waiting the longest, as they come, and then those that take the longest themselves."""
    rest = sorted(found[_MOST:], key=_duration, reverse=True)
    return [*found[:_MOST], *rest[:_LONGEST]]


def _duration(grown: Grown) -> float:
    return grown.curve("duration_ms").value


def _cost(curve: Curve) -> str:
    shown = units.size if curve.measure == "wal_bytes" else units.millis
    if curve.constant:
        return f"{shown(curve.value)}, constant" if curve.value else "–"
    return f"{shown(curve.value)} ± {shown(curve.error)}, k {curve.k:.2f}"
