"""Did the instrument itself stand still? Two clocks tick every few milliseconds, and late ticks are written down.

A request can be late because nobody had a processor for it: a virtual machine that was paused, another program, or
this tool's own interpreter. One clock ticks in the loop that sends the traffic, another in a process of its own. Where
both missed a tick the machine stood still; where only the loop did, the tool did, and that is its own fault.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from inboxbench.units import millis

# Slower than this a person notices a request, and a standstill is worth a note.
NOTICED_MS = 50.0
TICK_S = 0.005
LATE_MS = 20.0  # what a busy scheduler may take without being worth a word
# It ends with its parent, also where that was killed.
_TICKS = f"""
import os, time
parent, before = os.getppid(), time.monotonic()
print("ticking", flush=True)
while os.getppid() == parent:
    time.sleep({TICK_S})
    now = time.monotonic()
    if (now - before - {TICK_S}) * 1000 > {LATE_MS}:
        print(before + {TICK_S}, now, flush=True)
    before = now
"""
Span = tuple[float, float]  # from, to; Unix ms


@dataclass(slots=True)
class Standstills:
    """loop: when the traffic's loop stood still; machine: when the other process did."""

    loop: list[Span] = field(default_factory=list)
    machine: list[Span] = field(default_factory=list)

    def still_ms(self, begin_ms: float, end_ms: float) -> float:
        """Return how long the loop stood still between two moments (Unix ms)."""
        return overlap(self.loop, begin_ms, end_ms)

    @property
    def own_ms(self) -> float:
        """Return the longest that the loop stood still while the machine did not."""
        return max((end - begin - overlap(self.machine, begin, end) for begin, end in self.loop), default=0.0)

    def notes(self) -> Iterator[str]:
        """Sentences on standstills of 50 ms or longer: what no stall must be blamed on."""
        noticed = [end - begin for begin, end in self.machine if end - begin >= NOTICED_MS]
        if noticed:
            yield (
                f"the machine gave a process of ours no time, {len(noticed)} times for {millis(NOTICED_MS)} or longer, "
                f"at most {millis(max(noticed))}: still_ms of a class and of a stall says how much of it that is"
            )
        if self.own_ms >= NOTICED_MS:
            yield f"the traffic's own process stood still for {millis(self.own_ms)} while the machine did not"


def wall_clock() -> Callable[[], float]:
    """Return a clock of Unix time in ms that never steps back: the wall clock now, carried on by the monotonic one."""
    wall, mono = time.time(), time.monotonic()
    return lambda: (wall + time.monotonic() - mono) * 1000


def overlap(spans: Iterable[Span], begin: float, end: float) -> float:
    """Length of `spans`, which do not overlap each other, between two moments.

    >>> overlap([(0, 10), (20, 30)], 5, 22)
    7.0
    """
    return float(sum(max(0.0, min(last, end) - max(first, begin)) for first, last in spans))


async def tick(standstills: Standstills, now: Callable[[], float], stopping: threading.Event) -> None:
    """Tick in the traffic's loop until `stopping` is set. now: Unix ms."""
    before = now()
    while not stopping.is_set():
        await asyncio.sleep(TICK_S)
        at = now()
        if at - before - TICK_S * 1000 > LATE_MS:
            standstills.loop.append((before + TICK_S * 1000, at))
        before = at


@contextmanager
def second_clock(standstills: Standstills, unix_ms: Callable[[], float]) -> Iterator[None]:
    """Run the other process for the length of the block, which begins when that process ticks.

    `standstills.machine` is filled at its end.
    """
    offset = unix_ms() - time.monotonic() * 1000
    # In a session of its own: a Ctrl-C is meant for the tool, and would have this one complain.
    command = [sys.executable, "-I", "-S", "-c", _TICKS]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()
            output, _ = process.communicate()
            standstills.machine += [_span(line, offset) for line in output.splitlines() if line.count(" ") == 1]


def _span(line: str, offset_ms: float) -> Span:
    begin, end = line.split()
    return float(begin) * 1000 + offset_ms, float(end) * 1000 + offset_ms
