"""Django behind the seam: a folder with manage.py, run in the project's own Python on the copy alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from inboxbench.database import Connection
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.tools import django_code, revision_files, version_rows
from inboxbench.dryrun.tools.base import Command, Stamp
from inboxbench.dryrun.tools.django_code import as_django, pasted_text
from inboxbench.dryrun.tools.formats import FORMATS
from inboxbench.dryrun.tools.process import Ended
from inboxbench.errors import UsageError
from inboxbench.migrate.history import History, Revision
from inboxbench.server.environment import without_libpq

DJANGO = next(known for known in FORMATS if known.name == "Django")
_RUN = Path(__file__).with_name("django_run.py")
_PLAN_S = 300.0  # that the import of a project may take
_MARK = "INBOXBENCH "


@dataclass(frozen=True, slots=True)
class Django:
    """A project of Django's. folder: of its manage.py; texts in place of migrations, by path."""

    folder: Path
    python: str = sys.executable
    url_env: tuple[str, ...] = ()
    timeout_s: float = 3600.0
    texts: tuple[tuple[str, str], ...] = ()
    name: str = "Django"
    shown: str = "python manage.py migrate"
    aims: bool = True
    version_tables: tuple[str, ...] = field(default=(DJANGO.table,))

    def command(self, url: str, target: str, *, downgrade: bool = False) -> Command:
        way = "down" if downgrade else ("migrate" if target in ("head", "heads") else "up")
        place = conninfo_to_dict(url)
        names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
        copy = {name: str(place.get(key) or "") for name, key in names.items()}
        environment = without_libpq() | dict.fromkeys(("DATABASE_URL", *self.url_env), url)
        environment |= {"INBOXBENCH_COPY": json.dumps(copy), "PYTHONUNBUFFERED": "1"}
        environment |= {"INBOXBENCH_PASTED": json.dumps(dict(self.texts))} if self.texts else {}
        return Command([self.python, str(_RUN), way, target], environment, self.folder, url)

    def history(self, _revisions: set[str], /) -> History:
        command = self.command("postgresql://nobody@127.0.0.1:1/none", "plan")
        return revision_files.chained(_plan(self.python, self.folder, tuple(sorted(command.environment.items()))))

    def configured(self, _history: History, /) -> tuple[str, ...]:
        return self.version_tables

    def states(self, connection: Connection) -> dict[str, list[str]]:
        """Those of the project's own migrations: rows of what was squashed or removed since are none."""
        tables = version_rows.version_tables(connection, [DJANGO])
        known = list(self.history(set()).scripts) if tables else []
        return {table.full_name: [name for name in reversed(known) if name in table.ids] for table in tables}

    def stamp(self, connection: Connection, revision: str) -> None:
        app, _, name = revision.partition(".")
        connection.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, now())", (app, name)
        )  # fmt: skip

    def read_stamp(self, sql: str) -> Stamp | None:
        return version_rows.read_stamp(sql, [DJANGO])

    def asked(self, sql: str) -> str | None:
        return version_rows.asked_table(sql, [DJANGO])

    def source_line(self, file: Path, sql: str) -> int | None:
        return django_code.line_of(file, sql)

    def render(self, steps: Sequence[Step]) -> str:
        return as_django(steps)

    @contextmanager
    def pasted(self, file: Path, line: int, code: str, *, whole: bool = False) -> Iterator[Django | None]:
        text = None if whole else pasted_text(file.read_text(encoding="utf-8"), line, code)
        yield replace(self, texts=((os.path.realpath(file), text),)) if text else None

    def suppression(self, file: Path, line: int, rule: str) -> str | None:
        return revision_files.suppression(file, line, rule)


@lru_cache(4)
def _plan(python: str, folder: Path, environment: tuple[tuple[str, str], ...]) -> tuple[Revision, ...]:
    """Return the migrations in Django's own order. Raises UsageError with what manage.py says where it fails."""
    try:
        done = subprocess.run(
            [python, str(_RUN), "plan", ""], cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=_PLAN_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UsageError(f"{folder}/manage.py did not say its migrations within {_PLAN_S:.0f} s") from None
    except OSError as error:
        raise UsageError(f"--python {python} cannot be run: {error.strerror}") from None
    said = next((line for line in done.stdout.splitlines() if line.startswith(_MARK)), None)
    if said is None:
        why = Ended(done.returncode, done.stdout + done.stderr, 0.0).complaint
        raise UsageError(
            f"{folder}/manage.py does not say its migrations: {why}; set the variables that its settings need, and "
            "name the project's Python with --python"
        )
    migrations = json.loads(said.removeprefix(_MARK))
    return tuple(Revision(name, (), Path(file).stem, Path(file)) for name, file in migrations)


def django(folder: Path | None, python: str, url_env: tuple[str, ...], timeout_s: float) -> Django:
    """Return the project in a folder. Raises UsageError where there is no manage.py."""
    place = (folder or Path()).absolute()
    if not (place / "manage.py").is_file():
        raise UsageError(f"--tool django: no manage.py in {place}; name its folder with --folder")
    return Django(place, python, url_env, timeout_s)
