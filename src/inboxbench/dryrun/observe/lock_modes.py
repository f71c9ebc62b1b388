"""Lock modes: their names in pg_locks and in SQL, their strength, and which stand in each other's way."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Weakest first, as the manual's chapter "Explicit Locking" lists them; the digits are the modes that conflict.
_CONFLICTS = {
    "ACCESS SHARE": "7",
    "ROW SHARE": "67",
    "ROW EXCLUSIVE": "4567",
    "SHARE UPDATE EXCLUSIVE": "34567",
    "SHARE": "23567",
    "SHARE ROW EXCLUSIVE": "234567",
    "EXCLUSIVE": "1234567",
    "ACCESS EXCLUSIVE": "01234567",
}
MODES = tuple(_CONFLICTS)


def in_words(mode: str) -> str:
    """As SQL spells it.

    >>> in_words("ShareUpdateExclusiveLock")
    'SHARE UPDATE EXCLUSIVE'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()


def conflict(one: str, other: str) -> bool:
    """Whether a session that wants the one waits for a session that has the other.

    >>> conflict("ROW EXCLUSIVE", "SHARE"), conflict("ACCESS SHARE", "SHARE")
    (True, False)
    """
    return one in _CONFLICTS and other in MODES and str(MODES.index(other)) in _CONFLICTS[one]


def strongest(modes: Iterable[str]) -> str | None:
    """None of none, or of modes that relations do not have."""
    return max((mode for mode in modes if mode in MODES), key=MODES.index, default=None)
