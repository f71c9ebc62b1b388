"""Whatever happens ends in one line and an exit code that is none of another meaning, and in no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from inboxbench.cli import commands, ending
from inboxbench.cli.ending import explained, one_line, run
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError

_PROGRAM = [sys.executable, "-m", "inboxbench"]


def _fails(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def command() -> None:
        raise error

    monkeypatch.setattr(commands.application, "get_command", lambda *_: click.Command("x", callback=command))
    monkeypatch.delenv("INBOXBENCH_DEBUG", raising=False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ThresholdExceeded("too slow"), 1),
        (UsageError("no such key"), 2),
        (SubjectFailed("it broke"), 3),
        (TypeError("s3cret\npassword=s3cret"), 70),
        (RecursionError("too deep"), 70),
        (EOFError(), 70),
        (BrokenPipeError(32, "Broken pipe"), 70),
        (PermissionError(13, "Permission denied", "/root/x"), 2),
        (OSError(28, "No space left on device"), 2),
        (OSError(36, "File name too long", "a" * 5000), 2),
        (ValueError("embedded null byte"), 2),
        (RuntimeError("Symlink loop from '/a'"), 2),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), 2),
        (MemoryError(), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    _fails(monkeypatch, error)
    assert run(["x"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.strip().splitlines()  # Ctrl-C ends the line that it is echoed in
    assert len(lines) == 1
    assert lines[0].startswith("inboxbench: error: ")
    assert len(said.err) < 2100
    assert "password=s3cret" not in said.err


def test_what_nobody_foresaw_asks_to_be_reported() -> None:
    message, code = explained(KeyError("x"))
    assert code == 70
    assert "report it" in message
    assert "--debug" in message


def test_debug_shows_the_traceback_without_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _fails(monkeypatch, TypeError("postgresql://bob:s3cret@db/x"))
    monkeypatch.setenv("INBOXBENCH_DEBUG", "")
    assert run(["--debug", "x"]) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "s3cret" not in said


def test_a_wrong_command_line_is_not_repeated_with_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["seed", "tiny", "postgresql://bob:s3cret@db/x", "password=s3cret"]) == 2
    assert run(["postgresql://bob:s3cret@db/x"]) == 2
    assert "s3cret" not in capsys.readouterr().err


def test_a_line_is_one_line_that_a_terminal_shows() -> None:
    assert one_line("a\n\x1b[31mb\x00") == "a \\x1b[31mb\\x00"


def _ended(
    command: str, environment: dict[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run shell words in which $IB is the program."""
    words = " ".join(_PROGRAM)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("$IB", words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | (environment or {}),
    )


@pytest.mark.parametrize(
    "command", ["$IB migrate history", "$IB --help", "$IB migrate history --format json", "$IB schema check"]
)
def test_a_full_disk_is_one_line(command: str) -> None:
    ended = _ended(f"{command} > /dev/full")
    assert ended.returncode == 2
    assert ended.stderr == "inboxbench: error: the output: No space left on device; make room or name another place\n"


@pytest.mark.parametrize("command", ["$IB migrate history", "$IB explain"])
def test_a_reader_that_leaves_is_met_in_silence(command: str) -> None:
    ended = _ended(f"{command} | head -c 1 | wc -c")
    assert ended.stderr == ""
    assert ended.returncode in (0, 128 + signal.SIGPIPE)
    assert _ended(f"{command} | true").stderr == ""


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(closed: str) -> None:
    assert _ended(f"$IB explain {closed}").returncode == 0
    assert _ended(f"$IB gate --run nothing.json {closed}").returncode == 2


def test_nothing_can_be_printed_at_all() -> None:
    assert _ended("$IB gate --run nothing.json 2> /dev/full").returncode == 2


@pytest.mark.parametrize(
    ("name", "value"), [("HOME", "/nowhere/at/all"), ("HOME", "/proc"), ("PYTHONIOENCODING", "ascii"), ("LC_ALL", "C")]
)
def test_an_environment_of_its_own(name: str, value: str) -> None:
    assert _ended("$IB explain && $IB report", {name: value}).returncode == 2
    assert "Traceback" not in _ended("env -u HOME -u XDG_CACHE_HOME $IB explain").stderr


def test_an_error_in_a_thread_or_at_the_end_is_one_line_and_no_success() -> None:
    code = (
        "import atexit, threading, logging; from inboxbench.cli import commands, main; import click; "
        "work = lambda: (threading.Thread(target=lambda: 1 / 0).start(), atexit.register(lambda: 1 / 0), "
        "logging.getLogger('lib').error('password=s3cret', exc_info=ValueError('x'))); "
        "commands.application.get_command = lambda *_: click.Command('x', callback=lambda: work() and None); main()"
    )
    ended = subprocess.run([sys.executable, "-c", code, "x"], capture_output=True, text=True, check=False)
    assert ended.returncode == 70
    assert "Traceback" not in ended.stderr
    assert "s3cret" not in ended.stderr
    assert "internal error: ZeroDivisionError" in ended.stderr
    assert "lib: password=***" in ended.stderr


def test_the_code_of_a_command_that_leaves_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    _fails(monkeypatch, click.exceptions.Exit(3))
    assert run(["x"]) == 3
    assert ending.INTERNAL == 70
