"""A time limit that even an endless loop in somebody else's function cannot pass."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import greenlet

# The first signal may find the scheduler at work, and then it must come again; not too soon, for psycopg looks for
# signals only when a tenth of a second has passed without one.
_AGAIN_S = 0.5


class OutOfTimeError(BaseException):
    """The time limit of a play. Not an Exception, so that a session's own `except Exception` cannot eat it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt a session's own code after `seconds`. Signals reach the main thread only.

    The scheduler itself is never interrupted, or it would leave its monitor in the middle of a query: it looks at
    the clock between two of its own steps.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hub = greenlet.getcurrent()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if greenlet.getcurrent() is not hub:
            raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, interrupt)
    begun = time.monotonic()
    others, others_again = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:  # somebody else's alarm clock, such as pytest-timeout's, goes on
            signal.setitimer(signal.ITIMER_REAL, max(others - (time.monotonic() - begun), 0.001), others_again)
