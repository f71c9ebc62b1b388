"""What went wrong in a schedule, in one sentence."""

from __future__ import annotations

from inboxbench.race.explore.model import LETTERS, Event, ScheduleRun, Stale


def stale_reads(run: ScheduleRun) -> list[tuple[int, Event]]:
    """Return the reads that went out of date, those first after which their session wrote. The number is the step's."""
    numbered = []
    number = 0
    for event in run.events:
        number += event.kind != "resumes"
        if event.detail is not None and event.detail.stale is not None:
            numbered.append((number, event))
    return sorted(
        numbered, key=lambda pair: not (pair[1].detail and pair[1].detail.stale and pair[1].detail.stale.used)
    )


def what_went_wrong(run: ScheduleRun) -> str:
    """Return a sentence; empty for a schedule of which nothing is known."""
    victims = [index for index, outcome in enumerate(run.outcomes) if outcome.deadlocked]
    if victims:
        waited = {event.session for event in run.events if event.kind == "waits"}
        names = " and ".join(LETTERS[index] for index in sorted({*waited, *victims}))
        return (
            f"{names} lock the same rows in another order and wait for each other; the server ends "
            f"{LETTERS[victims[0]]} with 40P01 (deadlock)"
        )
    for number, event in stale_reads(run):
        if event.detail is not None and event.detail.stale and run.outcomes[event.session].kind == "committed":
            return _misled(number, LETTERS[event.session], event.detail.stale)
    for index, outcome in enumerate(run.outcomes):
        if outcome.kind == "died":
            return f"{LETTERS[index]} dies, and what it had not committed is gone"
        if outcome.kind == "refused":
            return f"the server refuses {LETTERS[index]} with {outcome.sqlstate}"
    return ""


def _misled(number: int, reader: str, stale: Stale) -> str:
    writer, goes_on = LETTERS[stale.by], "writes" if stale.used else "answers"
    if stale.number <= number:
        return (
            f"{reader} reads {stale.seen} at step {number} from a snapshot that is older than {writer}'s step "
            f"{stale.number}, after which it is {stale.now}, and {goes_on} on the strength of it"
        )
    return (
        f"{reader} reads {stale.seen} at step {number}; after {writer}'s step {stale.number} it is {stale.now}, "
        f"and {reader} {goes_on} on the strength of what it read"
    )
