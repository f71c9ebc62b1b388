"""Lock modes: their names in pg_locks and in SQL, their strength, and which stand in each other's way."""

from __future__ import annotations

from collections.abc import Iterable

from inboxbench.dryrun.model import MODES, LockMode

# Weakest first, as the manual's chapter "Explicit Locking" lists them; the digits are the modes that conflict.
_CONFLICTS: dict[str, str] = {
    "ACCESS SHARE": "7",
    "ROW SHARE": "67",
    "ROW EXCLUSIVE": "4567",
    "SHARE UPDATE EXCLUSIVE": "34567",
    "SHARE": "23567",
    "SHARE ROW EXCLUSIVE": "234567",
    "EXCLUSIVE": "1234567",
    "ACCESS EXCLUSIVE": "01234567",
}
# As pg_locks and deadlocks write them: ShareUpdateExclusiveLock.
SYSTEM_NAMES: dict[str, LockMode] = {mode.title().replace(" ", "") + "Lock": mode for mode in MODES}


def in_words(mode: str) -> str:
    """As SQL spells it.

    >>> in_words("ShareUpdateExclusiveLock")
    'SHARE UPDATE EXCLUSIVE'
    """
    return SYSTEM_NAMES.get(mode, mode)


def rank(mode: LockMode) -> int:
    """Its place among the eight, 0 for the weakest."""
    return MODES.index(mode)


def conflict(wanted: str, held: str) -> bool:
    """Whether a session that wants the one mode waits for a session that has the other.

    >>> conflict("ROW EXCLUSIVE", "SHARE"), conflict("ACCESS SHARE", "SHARE")
    (True, False)
    """
    return held in {MODES[int(digit)] for digit in _CONFLICTS.get(wanted, "")}


def strongest(modes: Iterable[str]) -> str | None:
    """None of none, or of modes that relations do not have."""
    given = set(modes)
    return next((mode for mode in reversed(MODES) if mode in given), None)
