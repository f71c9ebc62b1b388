"""How the program ends: whatever happens becomes one line on stderr and an exit code, with nothing secret in it.

An exit code of 1 means that a threshold was exceeded, so no fault of another kind may end with 1: what nothing else
has foreseen ends with 70 and the request to report it. `--debug` shows the traceback as well.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import NoReturn, cast

import click
import psycopg

from inboxbench.cli.commands import EscapedError, application, debugging
from inboxbench.credentials import masked, remember_arguments
from inboxbench.errors import InboxbenchError, UsageError, shortened
from inboxbench.lifetime import unwind_on_signals
from inboxbench.server import reason
from inboxbench.server.environment import set_aside

INTERNAL = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 128 + signal.SIGINT
_UNREAD = 128 + signal.SIGPIPE  # what a shell says of a program whose reader left
_LONGEST = 2000  # characters of a message
# What the machine refuses: the user can mend it, and it is no fault of the program.
_REFUSALS = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    errno.ELOOP, errno.ENAMETOOLONG, errno.EIO, errno.EFBIG,
}  # fmt: skip


def main() -> NoReturn:
    """Run the command line of this process: the entry point of the console script."""
    _open_standard_streams()
    unwind_on_signals()
    set_aside()
    failures = _watch_the_rest()
    try:
        code = run(sys.argv[1:])
    except SystemExit as leaving:  # by a signal
        _say_notes(leaving)
        raise
    sys.exit(INTERNAL if failures and code == 0 else code)


def run(arguments: Sequence[str]) -> int:
    """Run a command line, print one line for what went wrong, and return the exit code."""
    remember_arguments(arguments)
    try:
        try:
            code = application.main(list(arguments), prog_name="inboxbench", standalone_mode=False)
        except click.exceptions.Exit as leaving:
            code = leaving.exit_code
        except click.ClickException as error:
            code = _show(error)
        if sys.stdout is not None:
            sys.stdout.flush()
    except Exception as error:
        return _ended(error)
    except KeyboardInterrupt:
        return _ended(click.Abort())
    return code if isinstance(code, int) else 0


def _show(error: click.ClickException) -> int:
    """Print what click says of a wrong command line, which may repeat arguments."""
    said = io.StringIO()
    error.show(said)
    click.echo(masked(said.getvalue()), err=True, nl=False)
    return error.exit_code


def _ended(error: Exception) -> int:
    """Print what the error means in one line, and return the exit code."""
    if isinstance(error, EscapedError):
        error = cast("Exception", error.__cause__)
    broken_pipe = isinstance(error, BrokenPipeError) and _nobody_reads(1)
    if isinstance(error, OSError):
        _drop_output()
    if broken_pipe:
        return _UNREAD
    message, code = explained(error)
    _say(message)
    _say_notes(error)
    if debugging():
        _say_all(error)
    return code


def explained(error: BaseException) -> tuple[str, int]:
    """Return what to print for an error, and the exit code."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "interrupted; everything that was started has been stopped and removed", _INTERRUPTED
    if isinstance(error, InboxbenchError):
        return str(error), error.exit_code
    if isinstance(error, psycopg.Error):
        return f"the server said: {reason(error)}", InboxbenchError.exit_code
    if problem := _refused(error):
        return problem, UsageError.exit_code
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        f"internal error: {shortened(said, 300)}. This is a fault of inboxbench: please report it with what "
        "`inboxbench --debug …` prints for the same command"
    ), INTERNAL


def _refused(error: BaseException) -> str | None:
    """Return what the user can mend of what the machine refuses; None where it is no such refusal."""
    match error:
        case OSError() if error.errno in _REFUSALS:
            place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "the output"
            return f"{shortened(place, 300)}: {error.strerror}; make room or name another place"
        case MemoryError():
            return "this takes more memory than there is; ask for less at once"
        case UnicodeEncodeError():
            return f"{ascii(error.object)[:80]} is no text in UTF-8; write it in UTF-8"
        case RuntimeError() if "Symlink loop" in str(error):
            return f"{error}: it leads nowhere; mend the links or name another place"
        case ValueError() if "embedded null" in str(error):
            return "the name of a file holds a NUL character; take it out"
    return None


def one_line(text: str) -> str:
    """Return a message without secrets as one line that a terminal shows as it is, of 2,000 characters at most."""
    line = " ".join(masked(text).split())
    return shortened("".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line), _LONGEST)


def _say(message: str) -> None:
    """Print a message; where stderr cannot be written either, the exit code has to do."""
    with contextlib.suppress(OSError, ValueError):
        click.echo(f"inboxbench: error: {one_line(message)}", err=True)


def _say_notes(error: BaseException) -> None:
    """Print what a clean-up had to leave, a line each."""
    for note in [*getattr(error, "__notes__", ()), *getattr(error.__cause__, "__notes__", ())]:
        with contextlib.suppress(OSError, ValueError):
            click.echo(f"inboxbench: {one_line(note)}", err=True)


def _say_all(error: BaseException) -> None:
    with contextlib.suppress(OSError, ValueError):
        click.echo(masked("".join(traceback.format_exception(error))), err=True, nl=False)


def _open_standard_streams() -> None:
    """Keep the numbers 0, 1 and 2 from files of ours where they came closed, and print whatever a name holds."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _nobody_reads(number: int) -> bool:
    """Return whether the reader of a pipe has left: a broken pipe may also be one to a process of ours."""
    poll = select.poll()
    poll.register(number, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _number, event in poll.poll(0))


def _drop_output() -> None:
    """Let what is still to be printed go nowhere if it cannot be printed: the interpreter's end would try again."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except AttributeError:
        return  # it came closed


def _watch_the_rest() -> list[BaseException]:
    """Print one line for what fails where nobody catches it, and return the list that failures of threads go into.

    Those are threads, logs of libraries, and what is cleaned up when objects or the interpreter end.
    """
    failures: list[BaseException] = []

    def failed(error: BaseException | None) -> None:
        if error is None or isinstance(error, SystemExit):
            return
        failures.append(error)
        _say(explained(error)[0])
        if debugging():
            _say_all(error)

    threading.excepthook = lambda arguments: failed(arguments.exc_value)
    sys.excepthook = lambda _kind, error, _traceback: failed(error)
    sys.unraisablehook = lambda arguments: failed(arguments.exc_value) if debugging() else None
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_OneLine())
    return failures


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{record.name}: {one_line(record.getMessage())}"
