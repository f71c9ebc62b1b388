"""What ends a process, and that what it started ends with it: real processes, real signals."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from inboxbench.lifetime import running

# Starts a shell that starts a sleep; says the numbers of both.
PARENT = """
import subprocess, sys, time
from inboxbench.lifetime import running
with running(["sh", "-c", "sleep 300 & echo $$ $!; wait"], stdout=subprocess.PIPE) as process:
    print(process.stdout.readline().decode(), flush=True)
    time.sleep(300)
"""
POOL = """
import multiprocessing, os, time
from inboxbench.lifetime import end_with_parent
def work(queue):
    end_with_parent()
    queue.put(os.getpid())
    time.sleep(300)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    children = [context.Process(target=work, args=(queue,), daemon=True) for _ in range(2)]
    for child in children:
        child.start()
    print(queue.get(), queue.get(), flush=True)
    time.sleep(300)
"""
UNWIND = """
import sys, time
from inboxbench.lifetime import unwind_on_signals
unwind_on_signals()
try:
    print("ready", flush=True)
    time.sleep(300)
finally:
    time.sleep(0.3)
    print("cleaned", flush=True)
"""


def _eventually(condition: Callable[[], bool], patience_s: float = 30) -> bool:
    deadline = time.monotonic() + patience_s
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("script", [PARENT, POOL], ids=["program", "pool"])
def test_children_end_with_their_parent(tmp_path: Path, script: str, number: signal.Signals) -> None:
    path = tmp_path / "parent.py"
    path.write_text(script)
    with subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        children = [int(word) for word in parent.stdout.readline().split()]
        assert len(children) == 2
        parent.send_signal(number)
    assert _eventually(lambda: all(_gone(child) for child in children))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_unwinds_and_a_second_one_does_not_disturb_it(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", UNWIND], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "cleaned\n"
    assert process.returncode == 128 + number


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As nohup has it."""
    with subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {sys.executable} -c '{UNWIND}'"], stdout=-1, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == "cleaned\n"
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", -15), ("kill -9 $$", -9)]
)
def test_it_ends_as_the_program_does(script: str, status: int) -> None:
    with running(["sh", "-c", script]) as process:
        assert process.wait() == status


def test_a_program_gets_its_streams_environment_and_folder(tmp_path: Path) -> None:
    command = ["sh", "-c", "cat; pwd; echo $COLOUR; echo bad >&2"]
    with (tmp_path / "in").open("w+b") as given:
        given.write(b"given\n")
        given.seek(0)
        environment = {"PATH": os.environ["PATH"], "COLOUR": "blue"}
        with running(command, stdin=given, stdout=-1, stderr=-1, cwd=tmp_path, env=environment) as process:
            output, errors = process.communicate()
    assert output.decode().splitlines() == ["given", str(tmp_path), "blue"]
    assert errors == b"bad\n"


def test_signals_reach_the_program_as_they_would_without_a_guard() -> None:
    script = "import signal; print([int(signal.getsignal(n)) for n in (1, 3, 15)])"
    with running([sys.executable, "-c", script], stdout=-1) as process:
        assert process.communicate()[0] == b"[0, 0, 0]\n"


@pytest.mark.parametrize(("program", "number"), [("/no/such", errno.ENOENT), ("/etc/passwd", errno.EACCES)])
def test_a_program_that_cannot_be_started_says_why(program: str, number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)), running([program]):
        pass


def test_leaving_the_block_ends_the_program() -> None:
    with running(["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1; done"], stdout=-1) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
    assert _gone(pid)
