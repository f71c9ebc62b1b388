"""Running a project's own upgrade command against the copy, as a process of its own that can always be ended."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from inboxbench.dryrun.tools.revision_files import History, read_history, search
from inboxbench.errors import UsageError
from inboxbench.server import reason

TIMEOUT_S = 3600.0
_PATIENCE_S = 5.0
# What stands beside the error: of Python, PostgreSQL and SQLAlchemy.
_BESIDE = ("File ", "LINE ", "DETAIL:", "HINT:", "CONTEXT:", "[SQL:", "[parameters:", "(Background on this error")
# Plain Alembic, in the project's own Python: its env.py is asked by the main option that nearly all of them read.
_ALEMBIC = """
import sys
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
ini, location, direction, target, url = sys.argv[1:6]
config = Config(ini or None)
if location:
    config.set_main_option("script_location", location.replace("%", "%%"))
config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
sys.path.insert(0, "")
try:
    getattr(command, direction)(config, target)
except CommandError as error:
    sys.exit(f"alembic: error: {error}")
"""


@dataclass(frozen=True, slots=True)
class Chain:
    """How a project migrates. command: its own, with {url} and {revision} where it takes them; else config (an
    alembic.ini) or script_location for plain Alembic; else the project of inboxbench itself.

    url_env: variables that get the URL beside DATABASE_URL; driver: postgresql+asyncpg and the like.
    """

    command: str | None = None
    config: Path | None = None
    script_location: Path | None = None
    python: str = sys.executable
    url_env: tuple[str, ...] = ()
    driver: str = "postgresql"
    folder: Path | None = None
    timeout_s: float = TIMEOUT_S
    project: Path | None = None

    @property
    def shown(self) -> str:
        """The command as a person would type it."""
        if self.command:
            return self.command
        if self.config or self.script_location:
            where = f"-c {self.config}" if self.config else f"({self.script_location})"
            return f"alembic {where} upgrade"
        return "inboxbench migrate upgrade"

    @property
    def aims(self) -> bool:
        """Whether it can be told where to stop."""
        return not self.command or "{revision}" in self.command

    def arguments(self, url: str, target: str, *, downgrade: bool = False) -> list[str]:
        """Raises UsageError for a command that cannot be read."""
        if self.command:
            return [part.replace("{url}", url).replace("{revision}", target) for part in _split(self.command)]
        direction = "downgrade" if downgrade else "upgrade"
        if self.config or self.script_location:
            places = [str(self.config or ""), str(self.script_location or "")]
            return [self.python, "-c", _ALEMBIC, *places, direction, target, url]
        ours = [sys.executable, "-m", "inboxbench", "migrate", direction, "--database", url]
        ours += [] if target == "head" else ["--to", target]
        return [*ours, "--project", str(self.project)] if self.project else ours

    def url(self, base: str) -> str:
        """`base` (postgresql://…) for the driver that the command uses."""
        return (
            base
            if not (self.command or self.config or self.script_location)
            else base.replace("postgresql://", f"{self.driver}://", 1)
        )

    def environment(self, url: str) -> dict[str, str]:
        """The user's own, the URL under its names, and no PG… that would lead elsewhere."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        names = ("DATABASE_URL", *self.url_env)
        return kept | dict.fromkeys(names, url) | {"PYTHONUNBUFFERED": "1"}

    def history(self, revisions: set[str]) -> History:
        """The revision files: where they are said to be, else in the command's environment and folder."""
        if self.script_location:
            return read_history([self.script_location])
        if self.config:
            return read_history([_location(self.config, self.folder)])
        if not self.command:
            return read_history([self.project / "migrations"] if self.project else [])
        return search(self._places(), revisions)

    def _places(self) -> list[Path]:
        program = _which(_split(self.command or "")[0])
        places = [self.folder or Path.cwd()]
        if program is not None:
            places += sorted((program.parent.parent / "lib").glob("python*/site-packages"))
        return places


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended. status: its exit status; said: the last of what it printed; hung: it was ended by us."""

    status: int
    said: str
    seconds: float
    hung: bool = False

    @property
    def complaint(self) -> str:
        """The line that tells most, in case of a failure."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        if any("EOFError" in line or line == "Aborted!" or line.endswith("EOF when reading a line") for line in lines):
            return "it asks for input, and a dry run gives none; give the option that says yes"
        missing = next((line for line in reversed(lines) if "No module named" in line), None)
        if missing:
            return f"{missing[:200]}; --driver postgresql+psycopg2 (or asyncpg, psycopg) names the one that it has"
        telling = [line for line in lines if "error" in line.lower() and not line.startswith(_BESIDE)]
        return reason(UsageError((telling or lines or ["it said nothing"])[-1][:300]))


def run_chain(chain: Chain, base_url: str, target: str = "head", *, downgrade: bool = False) -> Ended:
    """Run to its end, or to the limit. Raises UsageError when there is no such command."""
    url = chain.url(base_url)
    arguments = chain.arguments(url, target, downgrade=downgrade)
    begun = time.monotonic()
    with tempfile.TemporaryFile() as output, _process(chain, arguments, url, output) as process:
        try:
            status, hung = process.wait(chain.timeout_s), False
        except subprocess.TimeoutExpired:
            status, hung = 124, True
        output.seek(max(output.tell() - 20_000, 0))
        said = output.read().decode(errors="replace").replace(url, "URL")
    return Ended(status, said, time.monotonic() - begun, hung)


@contextmanager
def _process(chain: Chain, arguments: list[str], url: str, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """In a session of its own, so that what it started ends with it; without a terminal to ask questions on."""
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=chain.folder,
            env=chain.environment(url),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise UsageError(f"command not found: {arguments[0]}; give its path, or run it from its folder") from None
    except OSError as error:  # no right to, no folder, no program: a script without its first line #!…
        raise UsageError(f"command {arguments[0]} cannot be run: {error.strerror}") from None
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole group: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        try:
            os.killpg(process.pid, number)
            process.wait(_PATIENCE_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def _split(command: str) -> list[str]:
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--command {command!r} cannot be read: {error}") from None
    if not parts:
        raise UsageError("--command is empty; give the command that upgrades your project")
    return parts


def _which(program: str) -> Path | None:
    found = shutil.which(program)
    return Path(found) if found else None


def _location(config: Path, folder: Path | None) -> Path:
    """script_location of an alembic.ini, relative to where it is run, or to the file. Raises UsageError without one."""
    from alembic.config import Config  # noqa: PLC0415 - slow to import, and most runs never need it

    if not config.is_file():
        raise UsageError(f"--config {config}: no such file")
    try:
        location = Config(str(config)).get_main_option("script_location")
    except configparser.Error as error:
        raise UsageError(f"--config {config} cannot be read: {reason(error)}") from None
    if not location:
        raise UsageError(f"{config}: no script_location in its section [alembic]")
    place = (folder or Path()) / location
    return place if place.is_dir() else config.resolve().parent / location
