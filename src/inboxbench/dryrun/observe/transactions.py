"""A transaction as a stretch of one session's statements, with its end and how it ended."""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from inboxbench.dryrun.observe.log_statements import Draft, statements_of
from inboxbench.dryrun.observe.sampler import virtual_number
from inboxbench.dryrun.observe.samples import Sightings

_ENDS = {"COMMIT", "END", "ROLLBACK", "ABORT", "PREPARE TRANSACTION"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Times: Unix ms. alone: a statement outside of any transaction block.

    numbers: its virtual transactions from the first up to the one that the session began after it; VACUUM and
    CONCURRENTLY take several.
    """

    pid: int
    drafts: tuple[Draft, ...]
    statements: tuple[Draft, ...]
    started: float
    finished: float
    outcome: Literal["commit", "rollback"]
    numbers: range = range(0)

    @property
    def alone(self) -> bool:
        return len(self.drafts) == 1

    def ends(self) -> list[float]:
        """Of each statement, when the session went on to something else: what it locked until then is its doing."""
        starts = [one.started for one in self.drafts]
        return [max(self._next(bisect_left(starts, one.finished), one), one.finished) for one in self.statements]

    def _next(self, place: int, draft: Draft) -> float:
        """The beginning of what came from `place` on, and is not the draft itself."""
        place += place < len(self.drafts) and self.drafts[place] is draft
        return self.drafts[place].started if place < len(self.drafts) else self.finished


def stretches(drafts: list[Draft], sightings: Sightings) -> list[Stretch]:
    """By their end: what is committed first is seen by those that come after."""
    by_pid: dict[int, list[Draft]] = {}
    for draft in drafts:
        by_pid.setdefault(draft.pid, []).append(draft)
    found = [stretch for mine in by_pid.values() for stretch in _of_session(mine, sightings)]
    return sorted(found, key=lambda stretch: stretch.started)


def _of_session(drafts: list[Draft], sightings: Sightings) -> Iterator[Stretch]:
    groups = [list(group) for _, group in groupby(drafts, key=lambda draft: draft.transaction)]
    begun = [virtual_number(group[0].transaction) for group in groups]
    for mine, first, after in zip(groups, begun, [*begun[1:], sys.maxsize], strict=True):
        works = tuple(statements_of(mine))
        started = works[0].started if works else mine[0].started
        finished, numbers = _finish(mine, sightings), range(first, after) if first else range(0)
        yield Stretch(mine[0].pid, tuple(mine), works, started, finished, _outcome(mine), numbers)


def _ended(draft: Draft) -> bool:
    return draft.control in _ENDS and not _is_partial(draft)


def _is_partial(draft: Draft) -> bool:
    """ROLLBACK TO a savepoint ends nothing."""
    return draft.control == "ROLLBACK" and " TO " in f" {' '.join(draft.sql.upper().split())} "


def _finish(drafts: list[Draft], sightings: Sightings) -> float:
    """The end of its COMMIT; a session that went away let go when the poll no longer saw its locks."""
    last = drafts[-1]
    if _ended(last) or (drafts[0].control is None and len(drafts) == 1):
        return last.finished
    seen = [one.last for one in sightings.of(last.pid) if one.first <= last.finished + 1 and one.last > last.finished]
    return max(seen, default=last.finished)


def _outcome(drafts: list[Draft]) -> Literal["commit", "rollback"]:
    failed = False
    for draft in drafts:
        failed = (failed or draft.error is not None) and not _is_partial(draft)
    last = drafts[-1]
    if _ended(last):
        return "commit" if last.control in ("COMMIT", "END") and not failed else "rollback"
    return "rollback" if failed or drafts[0].control is not None else "commit"
