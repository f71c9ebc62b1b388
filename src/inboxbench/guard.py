"""A process that outlives its owner by a moment, and ends what the owner started.

Run as a script with isolated Python (standard library only, starts in 20 ms). The owner holds the other end of our
standard input, or of the socket FD; its end, however it comes (return, Ctrl-C, SIGTERM, SIGKILL), reads as end of file.

    guard.py cluster HOME        at the end: stop the server whose folder is HOME, and remove HOME
    guard.py run FD COMMAND …    run COMMAND in a session of its own; at the end: end it and all that it started
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARK = ".inboxbench.json"  # in a folder of ours: which process made it
_SERVER_PROGRAMS = {"postgres", "initdb", "pg_ctl"}
_SHELL = "sh"  # by which pg_ctl and initdb start postgres: for a moment the server has this name
_PATIENCE_S = 10.0
_POLITE_S = 5.0


def _commands() -> Iterator[tuple[int, list[str]]]:
    """Number and command line of every process that we can see."""
    if Path("/proc/self/cmdline").exists():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                yield int(path.parent.name), path.read_bytes().decode(errors="replace").split("\0")
        return
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        number, *words = line.split()
        yield int(number), words or [""]


def server_processes(home: Path) -> dict[int, list[str]]:
    """The postmaster whose folder is `home`, and programs that are about to make or start it, by their numbers."""
    below = f"{home}{os.sep}"
    return {
        number: words
        for number, words in _commands()
        if (Path(words[0]).name in _SERVER_PROGRAMS and any(word.startswith(below) for word in words[1:]))
        or (Path(words[0]).name == _SHELL and any(below in word and "postgres" in word for word in words[1:]))
    }


def _ending(words: list[str]) -> signal.Signals | None:
    """The signal on which a program leaves no shared memory. What initdb runs ends with it, and a shell becomes the
    server: both are left alone."""
    if Path(words[0]).name == _SHELL:
        return None
    if Path(words[0]).name != "postgres":
        return signal.SIGINT  # pg_ctl and initdb end what they have started
    return None if {"--boot", "--single", "--check"} & set(words) else signal.SIGQUIT


def end_server(home: Path) -> None:
    """SIGQUIT (immediate shutdown: the data is thrown away), SIGKILL where that has no effect."""
    deadline = time.monotonic() + _PATIENCE_S
    asked: set[int] = set()
    while processes := server_processes(home):
        late = time.monotonic() - deadline
        for number, words in processes.items():
            ending = signal.SIGKILL if late > 0 else None if number in asked else _ending(words)
            if ending:
                asked.add(number)
                with suppress(OSError):
                    os.kill(number, ending)
        if late > _PATIENCE_S:
            return
        time.sleep(0.02)


def _watch_cluster(home: Path) -> None:
    sys.stdin.buffer.read()
    end_server(home)
    if (home / MARK).is_file():
        shutil.rmtree(home, ignore_errors=True)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLITE_S)


def _run(control: int, command: list[str]) -> int:
    """Exit status of the command. The error number of one that cannot be started is written to `control`, else 0."""
    try:
        process = subprocess.Popen(command, start_new_session=True)
    except OSError as error:
        os.write(control, str(error.errno).encode())
        return 1
    os.write(control, b"0")

    def watch() -> None:
        os.read(control, 1)
        _end_group(process)

    threading.Thread(target=watch, daemon=True).start()
    return process.wait()


def _end_like(status: int) -> None:
    """End as the command did: with its status, or by the same signal."""
    if status < 0:
        signal.signal(-status, signal.SIG_DFL) if -status not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -status)
    os._exit(status)


def main() -> None:
    # Handlers and not SIG_IGN, which a command would inherit.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda _number, _frame: None)
    if sys.argv[1] == "cluster":
        _watch_cluster(Path(sys.argv[2]))
    else:
        _end_like(_run(int(sys.argv[2]), sys.argv[3:]))


if __name__ == "__main__":
    main()
