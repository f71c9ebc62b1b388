"""One piece of work done in another process while this one goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def beside(work: Callable[[], object], *, alone: bool = False) -> Iterator[None]:
    """Run `work`, which must pickle, in a process of its own; it is done when the block ends.

    What fails there is done again here, so that its error is raised as if it had been done here from the start.
    With `alone`, on one processor, or where a process may have no children, it is done before the block.
    """
    if alone or len(os.sched_getaffinity(0)) == 1 or multiprocessing.current_process().daemon:
        work()
        yield
        return
    process = multiprocessing.get_context("spawn").Process(target=_quietly, args=(work,), daemon=True)
    process.start()
    try:
        yield
        process.join()
    finally:
        process.terminate()
        process.join()
    if process.exitcode != 0:
        work()


def _quietly(work: Callable[[], object]) -> None:
    """Ctrl-C is the parent's to handle, and errors are the parent's to show."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(Exception):
        work()
        return
    sys.exit(1)
