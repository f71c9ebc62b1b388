"""Ratios and amounts as people say them."""

from __future__ import annotations


def times(ratio: float) -> str:
    """A ratio as people say it.

    >>> times(12.34), times(1.5), times(0.37), times(6813)
    ('12×', '1.5×', '0.37×', '6,813×')
    """
    if ratio >= 10:
        return f"{ratio:,.0f}×"
    return f"{ratio:.1f}×" if ratio >= 1 else f"{ratio:.2f}×"


def amount(octets: float) -> str:
    """Bytes as people say them.

    >>> amount(735), amount(4639), amount(91_299_840)
    ('735 B', '4.5 kB', '87.1 MB')
    """
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}"
    return f"{octets:.0f} B"
