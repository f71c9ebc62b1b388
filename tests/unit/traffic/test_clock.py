"""The instrument's own stillness is told from the server's."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import psutil

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.stalls.lock_waits import Waits
from inboxbench.dryrun.stalls.summary import summarise
from inboxbench.traffic.clock import Standstills, second_clock, tick, wall_clock
from inboxbench.traffic.engine import Answer, RequestClass, Traffic

_ITEM = RequestClass("read", "read", 1, ("SELECT 1",), lambda _random: {})


def _longest(spans: list[tuple[float, float]]) -> float:
    return max((end - begin for begin, end in spans), default=0.0)


def test_a_loop_that_is_kept_busy_misses_its_beats() -> None:
    standstills, stopping = Standstills(), threading.Event()

    async def drive() -> None:
        task = asyncio.create_task(tick(standstills, wall_clock(), stopping))
        await asyncio.sleep(0.02)
        time.sleep(0.3)
        await asyncio.sleep(0.02)
        stopping.set()
        await task

    asyncio.run(drive())
    assert _longest(standstills.loop) >= 250
    assert standstills.own_ms == _longest(standstills.loop)  # no other clock said that the machine stood still


def test_the_other_clock_sees_a_machine_that_stops_and_is_gone_afterwards() -> None:
    standstills, now = Standstills(), wall_clock()
    known = set(psutil.Process().children())
    begun = now()
    with second_clock(standstills, now):
        (child,) = set(psutil.Process().children()) - known
        os.kill(child.pid, signal.SIGSTOP)
        time.sleep(0.4)
        os.kill(child.pid, signal.SIGCONT)
        time.sleep(0.1)
    assert not child.is_running()
    assert _longest(standstills.machine) >= 300
    assert all(begun <= first < last <= now() for first, last in standstills.machine)


def test_a_stall_says_how_much_of_it_was_our_own() -> None:
    traffic = Traffic((_ITEM,), 1.0)
    traffic.answers.append(Answer("read", 100.0, 100.0, 400.0, 7))
    traffic.standstills.loop += [(50.0, 150.0), (200.0, 380.0), (500.0, 900.0)]
    traffic.standstills.machine += [(200.0, 360.0)]
    build = Statement(1, "r1", "CREATE INDEX ix ON orders (a)", 9, 1, 0.0, 1000.0)
    (felt,) = summarise(traffic, Waits(), (build,), 0.0)
    (stall,) = felt.stalls
    assert (stall.held, stall.statement, stall.still_ms) == (None, 1, 230)
    assert traffic.standstills.own_ms == 400
