"""Numbers as a person reads them, each with its unit and three significant figures; the one place that formats them.

Sizes are in powers of 1024 and spelled as PostgreSQL spells them (kB, MB, GB, where others write KiB, MiB, GiB), so
that a figure can be compared with `pg_size_pretty`. A page is one 8 kB block of PostgreSQL's buffers. What is unknown
or not finite prints as a dash. `read_size` and `read_time` read what a person writes in an option; `percentile` is
the only one of this project.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from inboxbench.errors import UsageError

DASH = "–"
_MINUTE_S = 60.0
_SECOND_MS = 1000.0
SIZES = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_TIMES_MS = {"ms": 1.0, "s": _SECOND_MS, "min": _MINUTE_S * _SECOND_MS}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def known(value: float | None) -> TypeGuard[float]:
    """Return whether there is a finite number to print or to draw."""
    return value is not None and math.isfinite(value)


def number(value: float | None) -> str:
    """Three significant digits for small figures, whole ones with separators from 100 on."""
    if not known(value):
        return DASH
    if value == round(value) or abs(value) >= 99.5:
        return f"{value:,.0f}"
    decimals = 1 if abs(value) >= 9.95 else 2 if abs(value) >= 0.0995 else 3
    return f"{value:.{decimals}f}"


def compact(value: float | None) -> str:
    """Return a round number short enough for an axis: `10k`, `2.5M`."""
    if not known(value):
        return DASH
    for least, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= least:
            return f"{value / least:g}{suffix}"
    return f"{value:g}"


def pages(value: float | None) -> str:
    """Return a number of 8 kB buffer pages."""
    unit = "page" if value == 1 else "pages"
    return f"{number(value)} {unit}" if known(value) else DASH


def size(value: float | None) -> str:
    """Return a size in bytes, in the largest unit of which it is at least one after rounding.

    >>> size(735), size(4639), size(198_180_864), size((1 << 20) - 1)
    ('735 B', '4.53 kB', '189 MB', '1.00 MB')
    """
    if not known(value):
        return DASH
    unit = max(
        (unit for unit, bytes_ in SIZES.items() if abs(value) >= bytes_ - bytes_ / 2048),
        key=SIZES.__getitem__,
        default="B",
    )
    return f"{number(value / SIZES[unit])} {unit}"


def wal(value: float | None) -> str:
    """Bytes of write-ahead log for one row; never scaled, so that a column of them compares at a glance."""
    return f"{value:,.0f} B" if known(value) else DASH


def millis(value: float | None) -> str:
    """Milliseconds, as seconds from one second on."""
    if not known(value):
        return DASH
    return seconds(value / _SECOND_MS) if value >= _SECOND_MS else f"{number(value)} ms"


def micros(value: float | None) -> str:
    """Microseconds; never scaled, because they are the cost of one row compared with that of others."""
    return f"{number(value)} µs" if known(value) else DASH


def seconds(value: float | None) -> str:
    """Seconds, as milliseconds below one second and as minutes from one minute on."""
    if not known(value):
        return DASH
    if value >= _MINUTE_S:
        minutes, rest = divmod(round(value), int(_MINUTE_S))
        return f"{minutes} min {rest} s"
    return f"{number(value)} s" if value >= 1 or value == 0 else f"{number(value * _SECOND_MS)} ms"


def rate(value: float | None) -> str:
    """Something per second."""
    return f"{number(value)}/s" if known(value) else DASH


def share(value: float | None) -> str:
    """Return a fraction of one as a percentage."""
    return f"{value * 100:.0f} %" if known(value) else DASH


def times(value: float | None) -> str:
    """Return a ratio.

    >>> times(12.34), times(1.5), times(0.37), times(6813)
    ('12.3×', '1.50×', '0.37×', '6,813×')
    """
    return f"{number(value)}×" if known(value) else DASH


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """`numerator / denominator`, or None where either is unknown or the denominator is zero."""
    if not known(numerator) or not known(denominator) or denominator == 0:
        return None
    return numerator / denominator


def change(value: float | None, base: float | None) -> str:
    """Return how much more or less than `base`, with its sign: `+45 %`; empty when they cannot be compared."""
    relative = ratio(value, base)
    if relative is None:
        return ""
    percent = round((relative - 1) * 100)
    return f"{percent:+,d} %" if percent else "±0 %"


def read_time(text: str) -> float:
    """Return `500ms`, `2s` or `1.5min` in ms. Raises UsageError."""
    return _read(text, _TIMES_MS, "a time like 500ms, 2s or 1min")


def read_size(text: str) -> float:
    """Return `100MB` or `1GB` in bytes, in powers of 1024 as `size` prints them. Raises UsageError."""
    return _read(text, SIZES, "a size like 100MB or 1GB")


def _read(text: str, units: Mapping[str, float], example: str) -> float:
    quantity = _QUANTITY.fullmatch(text)
    by_lower = {unit.lower(): factor for unit, factor in units.items()}
    if quantity is None or quantity[2].lower() not in by_lower:
        raise UsageError(f"{text!r} is not {example}")
    return float(quantity[1]) * by_lower[quantity[2].lower()]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values`, in any order, that at least `share` (0 to 1) of them do not exceed.

    NaN when there are no values.

    >>> percentile([4, 1, 3, 2], 0.5), percentile([1, 2, 3], 0.99), percentile([1.0], 0.95)
    (2, 3, 1.0)
    """
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]
