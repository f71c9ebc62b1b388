"""Numbers as a person reads them, each with its unit; what is unknown or not finite prints as a dash.

Sizes are in powers of 1024, as PostgreSQL prints them. A page is one 8 kB block of its buffers.
"""

import math
from typing import TypeGuard

DASH = "–"
_MINUTE_S = 60.0
_SECOND_MS = 1000.0


def known(value: float | None) -> TypeGuard[float]:
    """Whether there is a finite number to print or to draw."""
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
    """A round number short enough for an axis: `10k`, `2.5M`."""
    if not known(value):
        return DASH
    for least, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= least:
            return f"{value / least:g}{suffix}"
    return f"{value:g}"


def pages(value: float | None) -> str:
    """A number of 8 kB buffer pages."""
    unit = "page" if value == 1 else "pages"
    return f"{number(value)} {unit}" if known(value) else DASH


def size(value: float | None) -> str:
    """A size in bytes, in the largest fitting unit."""
    if not known(value):
        return DASH
    scaled, units = float(value), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while abs(scaled) >= 1024 and unit != "TB":
        scaled, unit = scaled / 1024, next(units)
    return f"{number(scaled)} {unit}"


def wal(value: float | None) -> str:
    """Bytes of write-ahead log for one row; never scaled, so that a column of them compares at a glance."""
    return f"{value:,.0f} B" if known(value) else DASH


def millis(value: float | None) -> str:
    """Milliseconds, as seconds from one second on."""
    if not known(value):
        return DASH
    return seconds(value / _SECOND_MS) if value >= _SECOND_MS else f"{number(value)} ms"


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
    """A fraction of one as a percentage."""
    return f"{value * 100:.0f} %" if known(value) else DASH


def times(value: float | None) -> str:
    """A ratio: `429×`."""
    return f"{number(value)}×" if known(value) else DASH


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """`numerator / denominator`, or None where either is unknown or the denominator is zero."""
    if not known(numerator) or not known(denominator) or denominator == 0:
        return None
    return numerator / denominator


def change(value: float | None, base: float | None) -> str:
    """How much more or less than `base`, with its sign: `+45 %`; empty when they cannot be compared."""
    relative = ratio(value, base)
    if relative is None:
        return ""
    percent = round((relative - 1) * 100)
    return f"{percent:+,d} %" if percent else "±0 %"
