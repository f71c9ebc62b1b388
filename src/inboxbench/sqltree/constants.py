"""Constants that the grammar wants and that a text of pg_stat_statements lacks, spelled so that a placeholder may stand
in their place."""

from __future__ import annotations

import re

from inboxbench.sqltree.tokens import Token, scan

_TYPES_OF_CONSTANTS = frozenset({
    "interval", "date", "time", "timetz", "timestamp", "timestamptz", "inet", "uuid", "point", "bytea", "json", "jsonb",
    "money", "box", "polygon", "circle", "cidr",
})  # fmt: skip


def spelled_constants(text: str) -> str:
    """Return the text with a cast wherever a type stands before a placeholder, and date_part() for EXTRACT($n FROM …).

    >>> spelled_constants("SELECT now() - interval $1, extract($2 FROM a)")
    'SELECT now() - CAST($1 AS interval), date_part($2, a)'
    """
    tokens, pieces, end, place = scan(text), [], 0, 0
    while place < len(tokens):
        length, spelling = _constant_at(tokens, place)
        if length:
            last = tokens[place + length - 1]
            pieces += [text[end : tokens[place].start], spelling]
            end, place = last.end, place + length
        else:
            place += 1
    return "".join(pieces) + text[end:]


def _constant_at(tokens: tuple[Token, ...], place: int) -> tuple[int, str]:
    """Return how many tokens from `place` on are to be spelled otherwise, and how; 0 of none."""
    words = [token.text.lower() for token in tokens[place : place + 5]]
    if words[:2] == ["extract", "("] and len(words) > 3 and words[2].startswith("$") and words[3] == "from":
        return 4, f"date_part({words[2]},"
    before = tokens[place - 1].text.lower() if place else ""
    if before in ("::", "as", ".") or words[0] not in _TYPES_OF_CONSTANTS:
        return 0, ""
    kind = words[0]
    zone = words[1:4]
    if kind in ("time", "timestamp") and zone[:1] and zone[0] in ("with", "without") and zone[1:] == ["time", "zone"]:
        kind = f"{kind} {' '.join(zone)}"
    number = words[len(kind.split())] if len(words) > len(kind.split()) else ""
    if re.fullmatch(r"\$\d+", number):
        return len(kind.split()) + 1, f"CAST({number} AS {kind})"
    return 0, ""
