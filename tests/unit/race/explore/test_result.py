"""A schedule as it is drawn."""

from __future__ import annotations

from inboxbench.race.explore.model import Choice, Event, Outcome, ScheduleRun
from inboxbench.race.explore.result import Counterexample, explain

PLAY = ScheduleRun(
    schedule="ABAb",
    choices=(Choice((0, 1), None),) * 4,
    events=(
        Event(0, "step", "UPDATE seats SET holder = 1\n  WHERE id = 1", "UPDATE 1"),
        Event(1, "waits", "UPDATE seats SET holder = 2 WHERE id = 1", blockers=(0,)),
        Event(0, "step", "COMMIT", "COMMIT"),
        Event(1, "resumes", "UPDATE seats SET holder = 2 WHERE id = 1", "UPDATE 1"),
        Event(1, "dies", "COMMIT"),
    ),
    outcomes=(Outcome("committed", True), Outcome("died")),
    steps=(2, 2),
    diverged=False,
)


def test_a_line_a_step_a_column_a_session() -> None:
    drawn = list(explain(Counterexample(PLAY, ("seats: sold twice",)), width=40))
    assert drawn == [
        "      session A                                  session B",
        "   1  UPDATE seats SET holder = 1… → UPDATE 1",
        "   2                                             UPDATE seats SET holder … ⏳ waits for A",
        "   3  COMMIT",
        "                                                 … goes on: UPDATE 1",
        "   4                                             ✝ dies before COMMIT",
        "      A: committed, returned True",
        "      B: died",
        "      broken: seats: sold twice",
        "      replay: --schedule ABAb",
    ]
