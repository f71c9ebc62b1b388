"""A schedule drawn as a timeline: a column a session, a line a step, and who waited for whom."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inboxbench.race.explore.result import Counterexample
from inboxbench.race.explore.schedule import LETTERS, Event, Outcome, Play

_WIDTH = 64
_GAP = 3


def _short(text: str, width: int) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= width else line[: width - 1] + "…"


def _cell(event: Event, width: int) -> str:
    """At most `width` wide, as far as it can be."""
    names = " and ".join(LETTERS[blocker] for blocker in event.blockers)
    match event.kind:
        case "waits":
            return f"{_short(event.text, width - 15)} ⏳ waits for {names}"
        case "resumes":
            return f"… goes on: {_short(event.status, width - 12)}"
        case "dies":
            return f"✝ dies before {_short(event.text, width - 15)}"
        case _:
            status = _short(event.status, width // 2)
            return status if event.text == event.status else f"{_short(event.text, width - len(status) - 4)} → {status}"


def _outcome(outcome: Outcome) -> str:
    match outcome.kind:
        case "committed":
            return f"committed, returned {outcome.value!r}"
        case "refused":
            return f"refused with {outcome.sqlstate}"
        case _:
            return "died"


def _line(mark: str, session: int, text: str, *, sessions: int, width: int) -> str:
    cells = [text if index == session else "" for index in range(sessions)]
    return f"{mark:>4}  " + "".join(cell.ljust(width + _GAP) for cell in cells).rstrip()


def timeline(play: Play, *, width: int = _WIDTH) -> Iterator[str]:
    """Lines to print. Numbered are the steps of the schedule; a step that goes on after a wait has no number."""
    sessions = len(play.outcomes)
    yield "      " + "".join(f"session {LETTERS[index]}".ljust(width + _GAP) for index in range(sessions)).rstrip()
    number = 0
    for event in play.events:
        number += event.kind != "resumes"
        mark = "" if event.kind == "resumes" else str(number)
        yield _line(mark, event.session, _cell(event, width), sessions=sessions, width=width)
    for index, outcome in enumerate(play.outcomes):
        yield f"      {LETTERS[index]}: {_outcome(outcome)}"


def explain(example: Counterexample, *, width: int = _WIDTH) -> Iterator[str]:
    """The timeline, what is broken, and the schedule string that replays it."""
    yield from timeline(example.play, width=width)
    for complaint in example.complaints:
        yield f"      broken: {complaint}"
    yield f"      replay: --schedule {example.play.schedule}"
