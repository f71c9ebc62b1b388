"""The picture of a race: its simplest bad schedule looked at closely, what went wrong, and what would cure it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import Any

import psycopg

from inboxbench.database import Connection
from inboxbench.errors import InboxbenchError
from inboxbench.race.explore.model import LETTERS, Bounds, Scenario, ScheduleRun, Stale
from inboxbench.race.explore.result import Counterexample, Exploration
from inboxbench.race.explore.run import Explorer, open_explorer
from inboxbench.race.picture.cures import Cure, explore_cures
from inboxbench.race.picture.record import ScheduleRecorder, watched_tables
from inboxbench.race.picture.sentence import what_went_wrong
from inboxbench.race.picture.text import explain, outcome_text, result_lines
from inboxbench.report.page import environment, style

_WHOLE = 118
_REPLAYS = 3  # when two sessions wait for one row, the server may wake the other one first


@dataclass(frozen=True, slots=True)
class Picture:
    """A bad schedule with what each step read and wrote, and the cures that were tried."""

    example: Counterexample
    cures: tuple[Cure, ...] = ()

    @property
    def sentence(self) -> str:
        return what_went_wrong(self.example.run)

    def lines(self) -> Iterator[str]:
        """Yield the picture as text."""
        yield from explain(self.example)
        if self.cures:
            yield "      what would help, each explored in the same way (bad of feasible schedules):"
        for cure in self.cures:
            yield from wrap(f"        {'✓' if cure.works else '✗'} {cure}", _WHOLE, subsequent_indent=" " * 10)

    def to_json(self) -> dict[str, Any]:
        run = self.example.run
        return {
            "schedule": run.schedule,
            "complaints": list(self.example.complaints),
            "sentence": self.sentence,
            "steps": [
                {
                    "session": LETTERS[event.session],
                    "kind": event.kind,
                    "statement": event.detail.statement if event.detail else event.text,
                    "status": event.status,
                    "waits_for": [LETTERS[blocker] for blocker in event.blockers],
                    "rows": list(event.detail.rows) if event.detail else [],
                    "changes": list(event.detail.changes) if event.detail else [],
                    "stale": _stale(event.detail.stale) if event.detail and event.detail.stale else None,
                }
                for event in run.events
            ],
            "outcomes": [outcome_text(outcome) for outcome in run.outcomes],
            "cures": [
                {
                    "cure": cure.what,
                    "tried": [
                        {"level": result.level.name.lower(), **result.exploration.to_json()} for result in cure.tried
                    ],
                }
                for cure in self.cures
            ],
        }


def _stale(stale: Stale) -> dict[str, Any]:
    return {"by": LETTERS[stale.by], "step": stale.number, "seen": stale.seen, "now": stale.now}


def illustrate(explorer: Explorer, scenario: Scenario, example: Counterexample) -> Counterexample:
    """Return the example with what each step read and wrote, from playing it once more.

    Unchanged when that goes another way, or the tables are not ours to watch.
    """
    recorders: list[ScheduleRecorder] = []

    @contextmanager
    def watch(control: Connection) -> Iterator[ScheduleRecorder]:
        with watched_tables(control):
            recorders.append(ScheduleRecorder(control))
            yield recorders[-1]

    for _ in range(_REPLAYS):
        try:
            run = explorer.record(scenario, example.run.schedule, watch)
        except (InboxbenchError, psycopg.Error):
            break
        if _course(run) == _course(example.run):
            return replace(example, run=replace(example.run, events=recorders[-1].illustrated(run.events)))
    return example


def page(picture: Picture | None, title: str, verdict: str) -> str:
    """Return the picture as an HTML page: a sequence diagram that fetches nothing and runs nothing.

    Without a picture, as no schedule is bad, the page has the verdict alone.
    """
    template = environment().get_template("sequence.html.j2")
    if picture is None:
        return template.render(style=style(), title=title, verdict=verdict, picture=False)
    run = picture.example.run
    number = 0
    steps = []
    for event in run.events:
        number += event.kind != "resumes"
        detail = event.detail
        steps.append(
            {
                "number": None if event.kind == "resumes" else number,
                "session": event.session,
                "letter": LETTERS[event.session],
                "kind": event.kind,
                "statement": detail.statement if detail else " ".join(event.text.split()),
                "results": result_lines(event),
                "stale": detail is not None and detail.stale is not None,
                "failed": event.status.startswith("error"),
            }
        )
    return template.render(
        style=style(),
        title=title,
        verdict=verdict,
        picture=True,
        sentence=picture.sentence,
        complaints=picture.example.complaints,
        letters=LETTERS[: len(run.outcomes)],
        steps=steps,
        outcomes=[outcome_text(outcome) for outcome in run.outcomes],
        cures=[(cure.works, str(cure)) for cure in picture.cures],
        schedule=run.schedule,
    )


def _course(run: ScheduleRun) -> object:
    events = [(event.session, event.kind, event.text) for event in run.events]
    return events, [(outcome.kind, outcome.sqlstate) for outcome in run.outcomes]


def explore_and_draw(
    conninfo: str, scenario: Scenario, bounds: Bounds, drawing: Callable[[], object] = lambda: None
) -> tuple[Exploration, Picture | None]:
    """Explore, and draw the simplest bad schedule if there is one. drawing: called before that begins.

    Raises what `Explorer.explore` raises.
    """
    with open_explorer(conninfo) as explorer:
        found = explorer.explore(scenario, bounds)
        if found.counterexample is None:
            return found, None
        drawing()
        return found, draw(explorer, scenario, found.counterexample, bounds)


def replay_and_draw(conninfo: str, scenario: Scenario, schedule: str, limit_s: float) -> Picture:
    """Play one schedule and look closer at it. Raises what `Explorer.replay` raises."""
    with open_explorer(conninfo) as explorer:
        return Picture(illustrate(explorer, scenario, explorer.replay(scenario, schedule, limit_s=limit_s)))


def draw(explorer: Explorer, scenario: Scenario, example: Counterexample, bounds: Bounds) -> Picture:
    """Look closer at a bad schedule, and explore what would cure it."""
    illustrated = illustrate(explorer, scenario, example)
    return Picture(illustrated, explore_cures(explorer, scenario, illustrated.run, bounds))
