"""Result tables as libpq's PQprint writes them, with a header and aligned columns."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import pq

_NUMERIC = frozenset("0123456789.Ee -")


def result_table(result: pq.abc.PGresult) -> Iterator[str]:
    """The lines of PQprint with a header and aligned columns; widths are in bytes, as there."""
    if not result.nfields:
        return
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    rows = [
        [(result.get_value(row, column) or b"").decode() for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]
    widths = [max(len(text.encode()) for text in texts) for texts in zip(names, *rows, strict=True)]
    left = [any(cell and not _numeric(cell) for cell in cells) for cells in zip(*rows, strict=True)] or [False] * len(
        names
    )
    yield "|".join(_pad(name, width, to_left) for name, width, to_left in zip(names, widths, left, strict=True))
    yield "+".join("-" * width for width in widths)
    for row in rows:
        yield "|".join(_pad(cell, width, to_left) for cell, width, to_left in zip(row, widths, left, strict=True))
    yield f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    yield ""


def _numeric(cell: str) -> bool:
    return set(cell) <= _NUMERIC and cell[0] not in "Ee" and cell[-1] in "0123456789"


def _pad(text: str, width: int, to_left: bool) -> str:
    filler = " " * (width - len(text.encode()))
    return text + filler if to_left else filler + text
