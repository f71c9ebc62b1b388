"""Run a migration tool's command against a copy, as a process that can always be ended."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO

from inboxbench.credentials import masked
from inboxbench.dryrun.tools.base import Command, Tool
from inboxbench.errors import UsageError
from inboxbench.lifetime import running
from inboxbench.server import reason

_TELLING = re.compile("error|ImproperlyConfigured", re.IGNORECASE)
_TIMED_OUT = 124  # as of timeout(1)
# Lines of a traceback that come with an error and are not it: of Python, PostgreSQL and SQLAlchemy.
_DETAILS = ("File ", "LINE ", "DETAIL:", "HINT:", "CONTEXT:", "[SQL:", "[parameters:", "(Background on this error")


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended. status: its exit status; said: the last of what it printed; hung: it was ended by us."""

    status: int
    said: str
    seconds: float
    hung: bool = False

    @property
    def complaint(self) -> str:
        """Return the line that tells most, in case of a failure."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        if any("EOFError" in line or line == "Aborted!" or line.endswith("EOF when reading a line") for line in lines):
            return "it asks for input, and a dry run gives none; give the option that says yes"
        missing = next((line for line in reversed(lines) if "No module named" in line), None)
        if missing:
            return f"{missing[:200]}; --driver postgresql+psycopg2 (or asyncpg, psycopg) names the one that it has"
        telling = [line for line in lines if _TELLING.search(line) and not line.startswith(_DETAILS)]
        return reason(UsageError((telling or lines or ["it said nothing"])[-1][:300]))


def run_tool(
    tool: Tool, url: str, target: str = "head", *, downgrade: bool = False, at_timeout: Callable[[], None] | None = None
) -> Ended:
    """Run the tool's command on the database at `url` to its end, or until the tool's timeout.

    at_timeout: is called before a command that did not end in time is ended.

    Raises UsageError when there is no such command.
    """
    command = tool.command(url, target, downgrade=downgrade)
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output, _process(command, output) as process:
        try:
            status, hung = process.wait(tool.timeout_s), False
        except subprocess.TimeoutExpired:
            status, hung = _TIMED_OUT, True
            if at_timeout is not None:
                at_timeout()
        output.seek(max(output.tell() - 20_000, 0))
        said = masked(output.read().decode(errors="replace").replace(command.url, "URL"))
    return Ended(status, said, time.monotonic() - begun, hung)


@contextmanager
def _process(command: Command, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command so that what it started ends with it; without a terminal to ask questions on."""
    program = command.arguments[0]
    with ExitStack() as stack:
        try:
            process = stack.enter_context(
                running(
                    command.arguments, stdout=output, stderr=subprocess.STDOUT, cwd=command.folder,
                    env=command.environment,
                )
            )  # fmt: skip
        except FileNotFoundError:
            raise UsageError(f"command not found: {program}; give its path, or run it from its folder") from None
        except OSError as error:  # no right to, no folder, no program: a script without its first line #!…
            raise UsageError(f"command {program} cannot be run: {error.strerror}") from None
        yield process
