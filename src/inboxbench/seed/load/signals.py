"""Ctrl-C while processes start: it waits until they can be stopped in order, and never reaches them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C and SIGTERM take effect when the block is over; processes started in it have Ctrl-C blocked for good.

    The terminal sends Ctrl-C to all of them: theirs is blocked by the mask that they inherit, ours comes to a
    handler that remembers it, for any thread may receive it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # or the first process that is started does this, and lifts the mask
    arrived: list[int] = []
    before = {
        number: signal.signal(number, lambda received, _: arrived.append(received))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        for number, handler in before.items():
            signal.signal(number, handler)
        for received in arrived:
            signal.raise_signal(received)
