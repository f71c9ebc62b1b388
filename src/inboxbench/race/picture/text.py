"""Draws a schedule as lines: a column a session, from top to bottom what each did, and what went wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from inboxbench.race.explore.model import LETTERS, Event, Outcome, ScheduleRun
from inboxbench.race.explore.refusals import refusal_text
from inboxbench.race.explore.result import Counterexample
from inboxbench.race.picture.sentence import what_went_wrong
from inboxbench.race.picture.statement import wrapped

_WHOLE = 118
_GAP = 3
_MARK = 6
_LEAST = 30


def column_width(sessions: int, whole: int = _WHOLE) -> int:
    """Return how wide a session's column is, so that all together are `whole` wide, but never below 30."""
    return max(_LEAST, (whole - _MARK) // sessions - _GAP)


def letters(sessions: Sequence[int]) -> str:
    return " and ".join(LETTERS[session] for session in sessions)


def result_lines(event: Event) -> list[str]:
    """Return what came of a step: rows, changes or the server's word, and whether a read went out of date."""
    if event.kind == "waits":
        return [f"⏳ waits for {letters(event.blockers)}"]
    detail = event.detail
    if event.kind == "dies" or event.text == event.status:
        return []
    if detail is None or not (detail.rows or detail.changes) or event.status.startswith("error"):
        return [f"→ {event.status}"]
    lines = [f"→ {row}" for row in detail.rows] + [f"✎ {change}" for change in detail.changes]
    if stale := detail.stale:
        lines.append(f"⚠ stale: after {stale.number} ({LETTERS[stale.by]}) it is {stale.now}")
    return lines


def _cell(event: Event, width: int) -> list[str]:
    statement = event.detail.statement if event.detail else " ".join(event.text.split())
    match event.kind:
        case "resumes":
            head = ["… goes on"]
        case "dies":
            head = wrapped(f"✝ dies before {statement}", width)
        case _:
            head = wrapped(statement, width)
    results = result_lines(event)
    if event.kind == "resumes" and len(results) == 1 and len(results[0]) + 11 <= width:
        return [f"… goes on: {results[0].removeprefix('→ ')}"]
    return head + [line for result in results for line in textwrap.wrap(f"  {result}", width, subsequent_indent="    ")]


def outcome_text(outcome: Outcome) -> str:
    match outcome.kind:
        case "committed":
            return f"committed, returned {outcome.value!r}"
        case "refused":
            return refusal_text(outcome)
        case _:
            return "died"


def timeline(run: ScheduleRun, *, width: int | None = None) -> Iterator[str]:
    """Yield a schedule as lines. Numbered are its steps; one that goes on after a wait has no number.

    width: of a column, by default so that all fit into 118.
    """
    sessions = len(run.outcomes)
    width = width or column_width(sessions)
    yield " " * _MARK + "".join(f"session {LETTERS[index]}".ljust(width + _GAP) for index in range(sessions)).rstrip()
    number = 0
    for event in run.events:
        number += event.kind != "resumes"
        mark = f"{number:>4}  " if event.kind != "resumes" else " " * _MARK
        for line in _cell(event, width):
            yield (mark + " " * (width + _GAP) * event.session + line).rstrip()
            mark = " " * _MARK
    for index, outcome in enumerate(run.outcomes):
        yield f"{' ' * _MARK}{LETTERS[index]}: {outcome_text(outcome)}"


def explain(example: Counterexample, *, width: int | None = None) -> Iterator[str]:
    """Yield the timeline, what is broken and why, and the schedule string that replays it."""
    yield from timeline(example.run, width=width)
    for complaint in example.complaints:
        yield f"      broken: {complaint}"
    for _, failure in example.run.failures:
        yield f"      bad: {failure}"
    if (example.complaints or example.run.failures) and (sentence := what_went_wrong(example.run)):
        yield from textwrap.wrap(f"      what went wrong: {sentence}", _WHOLE, subsequent_indent=" " * 23)
    yield f"      replay: --schedule {example.run.schedule}"
