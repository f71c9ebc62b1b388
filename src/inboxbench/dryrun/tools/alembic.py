"""Alembic behind the seam: a project's own command, an alembic.ini, a folder of scripts, or our own project."""

from __future__ import annotations

import configparser
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from psycopg import sql

from inboxbench.credentials import masked
from inboxbench.database import Connection, first_row
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.tools import alembic_tables
from inboxbench.dryrun.tools.alembic_code import Sources, as_code, read_sources, suppression, with_code
from inboxbench.dryrun.tools.alembic_tables import VERSION_TABLE, Kept, asked_table, kept, read_stamp, true_tables
from inboxbench.dryrun.tools.base import Command, Stamp
from inboxbench.errors import UsageError
from inboxbench.migrate.history import History, read_folders, search
from inboxbench.owner import temporary_folder
from inboxbench.server import reason, without_password
from inboxbench.server.environment import without_libpq

TIMEOUT_S = 3600.0
# Plain Alembic, in the project's own Python: its env.py is asked by the main option that nearly all of them read. The
# folder comes after the standard library: with the command `alembic`, its `logging/` or `alembic/` is no module either.
_RUN = """
import os
import sys
sys.path[:] = [place for place in sys.path if place]
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
ini, location, direction, target, versions = sys.argv[1:6]
url = os.environ["DATABASE_URL"]
config = Config(ini or None)
if location:
    config.set_main_option("script_location", location.replace("%", "%%"))
if versions:
    config.set_main_option("version_locations", versions.replace("%", "%%"))
config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
library = os.path.dirname(os.__file__)
own = [place.startswith(library) and "-packages" not in place for place in sys.path]
sys.path.insert(len(own) - own[::-1].index(True) if True in own else 0, "")
try:
    getattr(command, direction)(config, target)
except CommandError as error:
    sys.exit(f"alembic: error: {error}")
"""


@dataclass(frozen=True, slots=True)
class Alembic:
    """How a project migrates by Alembic.

    program: its own command, with {url} and {revision} where it takes them; else config (an alembic.ini) or
    script_location is run by `python`; else it is the project of inboxbench at `project`. url_env: variables that get
    the URL besides DATABASE_URL; versions: a folder of revision files in place of the
    project's own; driver: postgresql+asyncpg and the like; folder: where the command runs.
    """

    program: str | None = None
    config: Path | None = None
    script_location: Path | None = None
    python: str = sys.executable
    url_env: tuple[str, ...] = ()
    driver: str = "postgresql"
    folder: Path | None = None
    timeout_s: float = TIMEOUT_S
    project: Path | None = None
    versions: Path | None = None

    @property
    def name(self) -> str:
        return "Alembic"

    @property
    def version_tables(self) -> tuple[str, ...]:
        return (VERSION_TABLE,)

    @property
    def shown(self) -> str:
        if self.program:
            return masked(self.program)
        if self.config or self.script_location:
            where = f"-c {self.config}" if self.config else f"({self.script_location})"
            return f"alembic {where} upgrade"
        return "inboxbench migrate upgrade"

    @property
    def aims(self) -> bool:
        return not self.program or "{revision}" in self.program

    @property
    def _foreign(self) -> bool:
        """Return whether it is somebody's project, and none of inboxbench."""
        return bool(self.program or self.config or self.script_location)

    def command(self, url: str, target: str, *, downgrade: bool = False) -> Command:
        bare, environment = without_password(url)
        if self._foreign:
            bare, url = (address.replace("postgresql://", f"{self.driver}://", 1) for address in (bare, url))
        arguments = self._arguments(bare, target, downgrade=downgrade)
        return Command(arguments, self._environment(url, environment.get("PGPASSWORD")), self.folder, url)

    def _arguments(self, url: str, target: str, *, downgrade: bool) -> list[str]:
        """`url` has no password: everybody can read the arguments of a process."""
        if self.program:
            return [part.replace("{url}", url).replace("{revision}", target) for part in _split(self.program)]
        direction = "downgrade" if downgrade else "upgrade"
        if self.config or self.script_location:
            places = [str(self.config or ""), str(self.script_location or "")]
            return [self.python, "-c", _RUN, *places, direction, target, str(self.versions or "")]
        ours = [sys.executable, "-m", "inboxbench", "migrate", direction, "--database", url]
        ours += [] if target == "head" else ["--to", target]
        return [*ours, "--project", str(self.project)] if self.project else ours

    def _environment(self, url: str, password: str | None) -> dict[str, str]:
        """Return the user's own, the URL under its names and the password that the arguments lack.

        No other variable of libpq is among them: it would lead elsewhere.
        """
        kept = without_libpq() | ({"PGPASSWORD": password} if password else {})
        return kept | dict.fromkeys(("DATABASE_URL", *self.url_env), url) | {"PYTHONUNBUFFERED": "1"}

    def history(self, revisions: set[str]) -> History:
        if self.program:  # the files are in its folder, or in its environment
            return search(_places(self.program, self.folder), revisions) if revisions else History({})
        return read_folders([self._scripts] if self._scripts else [])

    @property
    def _scripts(self) -> Path | None:
        """Return the folder of env.py, where it is known."""
        if self.program:
            return None
        if self.config and not self.script_location:
            return _location(self.config, self.folder)
        return self.script_location or (self.project / "migrations" if self.project else None)

    def configured(self, history: History, /) -> tuple[str, ...]:
        return alembic_tables.configured(alembic_tables.environments(self._scripts, history))

    def states(self, connection: Connection) -> dict[str, list[str]]:
        return {table.full_name: list(table.ids) for table in self._tables(connection)}

    def _tables(self, connection: Connection) -> list[Kept]:
        candidates = kept(connection)
        history = self.history({revision for table in candidates for revision in table.ids})
        return true_tables(candidates, self.configured(history), history)

    def stamp(self, connection: Connection, revision: str) -> None:
        tables = self._tables(connection)
        place = (tables[0].schema, tables[0].name) if tables else self._to_make(connection)
        table = sql.Identifier(*place)
        if not tables:
            connection.execute(sql.SQL("CREATE TABLE {} (version_num varchar(32) PRIMARY KEY)").format(table))
        connection.execute(sql.SQL("DELETE FROM {}").format(table))
        connection.execute(sql.SQL("INSERT INTO {} VALUES (%s)").format(table), (revision,))

    def _to_make(self, connection: Connection) -> tuple[str, str]:
        """Return schema and name of the version table of a project that has none yet."""
        schema, _, name = next(iter(self.configured(self.history(set()))), VERSION_TABLE).rpartition(".")
        return schema or str(first_row(connection, "SELECT coalesce(current_schema(), 'public')")[0]), name

    def read_stamp(self, sql: str) -> Stamp | None:
        return read_stamp(sql)

    def asked(self, sql: str) -> str | None:
        return asked_table(sql)

    def source_line(self, file: Path, sql: str) -> int | None:
        return _sources(file).line_of(sql)

    def render(self, steps: Sequence[Step]) -> str:
        return as_code(steps)

    @contextmanager
    def pasted(self, file: Path, line: int, code: str, *, whole: bool = False) -> Iterator[Alembic | None]:
        text = with_code(file.read_text(encoding="utf-8"), line, code, whole=whole)
        if text is None or not (self.config or self.script_location):
            yield None
            return
        with temporary_folder("pasted") as folder:
            for number, script in enumerate(self.history(set()).scripts.values()):
                copy = folder / f"{number}_{script.path.name}"
                copy.write_text(text if script.path == file else script.path.read_text(encoding="utf-8"), "utf-8")
            yield replace(self, versions=folder)

    def suppression(self, file: Path, line: int, rule: str) -> str | None:
        return suppression(file, line, rule)


@lru_cache(maxsize=1)  # the statements of a revision come one after another
def _sources(file: Path) -> Sources:
    return read_sources(file)


def _split(command: str) -> list[str]:
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--command cannot be read: {error}") from None
    if not parts:
        raise UsageError("--command is empty; give the command that upgrades your project")
    return parts


def _places(program: str, folder: Path | None) -> list[Path]:
    """Return the folders in which a command's revision files may lie."""
    executable = shutil.which(_split(program)[0])
    packages = sorted((Path(executable).parent.parent / "lib").glob("python*/site-packages")) if executable else []
    return [folder or Path.cwd(), *packages]


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
