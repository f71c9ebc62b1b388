"""A schedule as it is drawn."""

from __future__ import annotations

from dataclasses import replace

from inboxbench.race.explore.model import Choice, Detail, Event, Outcome, ScheduleRun, Stale
from inboxbench.race.explore.result import Counterexample
from inboxbench.race.picture.statement import wrapped
from inboxbench.race.picture.text import explain

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
        "   1  UPDATE seats SET holder = 1 WHERE id = 1",
        "        → UPDATE 1",
        "   2                                             UPDATE seats SET holder = 2 WHERE id = 1",
        "                                                   ⏳ waits for A",
        "   3  COMMIT",
        "                                                 … goes on: UPDATE 1",
        "   4                                             ✝ dies before COMMIT",
        "      A: committed, returned True",
        "      B: died",
        "      broken: seats: sold twice",
        "      what went wrong: B dies, and what it had not committed is gone",
        "      replay: --schedule ABAb",
    ]


def test_rows_changes_and_a_stale_read_stand_below_the_statement() -> None:
    read = Detail("SELECT free FROM seats WHERE id = 1", ("free=t",), (), Stale(1, 2, "free=t", "free=f", used=True))
    write = Detail("UPDATE seats SET free = false WHERE id = 1", (), ("seats id=1: free t → f",))
    events = (
        Event(0, "step", "SELECT free FROM seats WHERE id = %s", "SELECT 1", detail=read),
        Event(1, "step", "UPDATE seats SET free = false WHERE id = %s", "UPDATE 1", detail=write),
        Event(0, "step", "UPDATE seats SET free = false WHERE id = %s", "UPDATE 1", detail=write),
    )
    outcomes = (Outcome("committed"), Outcome("committed"))
    drawn = list(
        explain(Counterexample(replace(PLAY, schedule="ABA", events=events, outcomes=outcomes), ("x",)), width=44)
    )
    assert drawn[1:6] == [
        "   1  SELECT free FROM seats WHERE id = 1",
        "        → free=t",
        "        ⚠ stale: after 2 (B) it is free=f",
        "   2                                                 UPDATE seats SET free = false WHERE id = 1",
        "                                                       ✎ seats id=1: free t → f",
    ]
    wrong = next(line.strip() for line in drawn if "what went wrong" in line)
    assert wrong.startswith("what went wrong: A reads free=t at step 1; after B's step 2 it is free=f, and A writes on")


def test_a_long_statement_is_left_out_in_the_middle_and_keeps_its_end() -> None:
    """An ORM's list of columns may go; what it locks may not."""
    text = f"SELECT {', '.join(f'shop_counter.column_{number}' for number in range(40))} FROM t WHERE id = 1 FOR UPDATE"
    lines = wrapped(text, 40)
    assert len(lines) == 6
    assert "…" in lines
    assert lines[0].startswith("SELECT shop_counter.column_0")
    assert lines[-1].endswith("FOR UPDATE")
    assert all(len(line) <= 40 for line in lines)
