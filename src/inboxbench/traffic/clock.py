"""Did the instrument itself stand still? Two clocks that should beat every few milliseconds, and when they did not.

A request can be late because nobody had a processor for it: a virtual machine that was paused, a neighbour, or this
tool's own interpreter. One clock beats in the loop that sends the traffic, another in a process of its own. Where both
missed a beat the machine stood still; where only the loop did, the tool did, and that is its own fault.
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

BEAT_S = 0.005
LATE_MS = 20.0  # what a busy scheduler may take without being worth a word
# It ends with its parent, also where that was killed.
_BEATS = f"""
import os, time
parent, before = os.getppid(), time.monotonic()
while os.getppid() == parent:
    time.sleep({BEAT_S})
    now = time.monotonic()
    if (now - before - {BEAT_S}) * 1000 > {LATE_MS}:
        print(before + {BEAT_S}, now, flush=True)
    before = now
"""
Span = tuple[float, float]  # from, to; Unix ms


@dataclass(slots=True)
class Pulse:
    """loop: when the traffic's loop stood still; machine: when the other process did."""

    loop: list[Span] = field(default_factory=list)
    machine: list[Span] = field(default_factory=list)

    def still_ms(self, begin_ms: float, end_ms: float) -> float:
        """How much of that time the loop stood still."""
        return overlap(self.loop, begin_ms, end_ms)

    @property
    def own_ms(self) -> float:
        """The longest that the loop stood still while the machine did not."""
        return max((end - begin - overlap(self.machine, begin, end) for begin, end in self.loop), default=0.0)


def overlap(spans: Iterable[Span], begin: float, end: float) -> float:
    """Length of `spans`, which do not overlap each other, between two moments.

    >>> overlap([(0, 10), (20, 30)], 5, 22)
    7.0
    """
    return float(sum(max(0.0, min(last, end) - max(first, begin)) for first, last in spans))


async def beat(pulse: Pulse, now: Callable[[], float], stopping: threading.Event) -> None:
    """In the traffic's loop until told to stop. now: Unix ms."""
    before = now()
    while not stopping.is_set():
        await asyncio.sleep(BEAT_S)
        at = now()
        if at - before - BEAT_S * 1000 > LATE_MS:
            pulse.loop.append((before + BEAT_S * 1000, at))
        before = at


@contextmanager
def other_clock(pulse: Pulse, unix_ms: Callable[[], float]) -> Iterator[None]:
    """Beside the block; `pulse.machine` is filled at its end."""
    offset = unix_ms() - time.monotonic() * 1000
    # In a session of its own: a Ctrl-C is meant for the tool, and would have this one complain.
    command = [sys.executable, "-I", "-S", "-c", _BEATS]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield
        finally:
            process.terminate()
            said, _ = process.communicate()
            pulse.machine += [_span(line, offset) for line in said.splitlines() if line.count(" ") == 1]


def _span(line: str, offset_ms: float) -> Span:
    begin, end = line.split()
    return float(begin) * 1000 + offset_ms, float(end) * 1000 + offset_ms
