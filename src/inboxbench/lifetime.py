"""What ends this process, and that its children end with it.

SIGTERM, SIGHUP (a closed terminal) and SIGQUIT unwind the stack as Ctrl-C does, so that whatever was made is removed.
Nothing can be done on SIGKILL: then children notice it by a pipe that closes.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from inboxbench import guard

_UNWINDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_LOOK_MS = 1000


def _unwind(number: int, _frame: FrameType | None) -> NoReturn:
    """Once: a second signal would interrupt the clean-up."""
    for other in _UNWINDING:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + number)


def unwind_on_signals() -> None:
    """Let signals that end a process raise SystemExit. One that is ignored already stays so, as nohup wants it."""
    for number in _UNWINDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _unwind)


@contextmanager
def deferred_signals() -> Iterator[None]:
    """Let signals take effect when the block is over, while processes start that must be stopped in order.

    Processes started in the block have Ctrl-C blocked for good. The terminal sends Ctrl-C to all of them: theirs is
    blocked by the mask that they inherit, ours comes to a handler that remembers it, for any thread may receive it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # or the first process that is started does this, and lifts the mask
    arrived: list[int] = []
    before = {
        number: signal.signal(number, lambda received, _: arrived.append(received))
        for number in (signal.SIGINT, *_UNWINDING)
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


def end_with_parent(descriptor: int | None = None, before: Callable[[], None] = lambda: None) -> None:
    """In a child: end when the parent ends, and leave the terminal's signals to the parent.

    descriptor: reads as closed when the parent is gone; None: the pipe that multiprocessing keeps for this.
    before: called when the parent is gone, before this process ends.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if descriptor is None:
        parent = multiprocessing.parent_process()
        descriptor = parent.sentinel if parent else 0
    threading.Thread(target=_watch, args=(descriptor, os.getppid(), before), daemon=True).start()


def _watch(descriptor: int, parent: int, before: Callable[[], None]) -> None:
    """Also by the parent's number, for another process may hold the other end as well."""
    poll = select.poll()
    poll.register(descriptor, 0)  # closed is reported, whatever is asked for
    while not poll.poll(_LOOK_MS) and os.getppid() == parent:
        pass
    before()
    os._exit(1)


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that ends with the block, and with this process however that ends.

    It runs in a session of its own, which is ended as a whole. The process that is yielded is its guard, which ends
    as the program does: with the same exit status. Raises OSError when the program cannot be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, "run", str(theirs.fileno()), *map(str, command)],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=cwd,
                env=env,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        try:
            failed = int(ours.recv(16) or b"0")
            if failed:
                raise OSError(failed, os.strerror(failed), str(command[0]))
            yield process
        finally:
            ours.close()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait()
