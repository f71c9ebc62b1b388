"""Any command that migrates: whose tool it is shows in what the run writes, and where it writes nothing that is known,
each transaction is a revision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from inboxbench.database import Connection
from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.tools import django_code, revision_files, version_rows
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Command, Stamp, Tool
from inboxbench.dryrun.tools.django_code import as_django, is_django
from inboxbench.dryrun.tools.formats import FORMATS, Format
from inboxbench.dryrun.tools.sql_code import as_javascript, as_python, as_rails, as_sql
from inboxbench.errors import SubjectFailed
from inboxbench.migrate.history import History


@dataclass(frozen=True, slots=True)
class AnyTool:
    """A command of a tool that is recognised by its version table.

    runs: the command; formats: the tools that it may be; known: the one that it was, once a run has shown it.
    """

    runs: Alembic
    formats: tuple[Format, ...] = FORMATS
    known: Format | None = None

    @property
    def name(self) -> str:
        return self.known.name if self.known else self.runs.name

    @property
    def shown(self) -> str:
        return self.runs.shown

    @property
    def aims(self) -> bool:
        return self.runs.aims

    @property
    def timeout_s(self) -> float:
        return self.runs.timeout_s

    @property
    def version_tables(self) -> tuple[str, ...]:
        return self.runs.version_tables

    def command(self, url: str, target: str, *, downgrade: bool = False) -> Command:
        return self.runs.command(url, target, downgrade=downgrade)

    def history(self, revisions: set[str]) -> History:
        if not revisions:
            return History({})
        folders = [self.runs.folder or Path.cwd()]
        known = [self.known] if self.known else self.formats
        mine = revision_files.search(folders, revisions, known).scripts
        left = revisions - mine.keys()
        return History((self.runs.history(left).scripts if left else {}) | mine)

    def configured(self, history: History, /) -> tuple[str, ...]:
        return self.runs.configured(history)

    def states(self, connection: Connection) -> dict[str, list[str]]:
        tables = version_rows.version_tables(connection, self.formats)
        return self.runs.states(connection) | {table.full_name: list(table.ids) for table in tables}

    def stamp(self, connection: Connection, revision: str) -> None:
        if version_rows.version_tables(connection, self.formats):
            raise SubjectFailed(
                f"revision {revision} failed, and only its own tool can note it as done: leave out --each"
            )
        self.runs.stamp(connection, revision)

    def read_stamp(self, sql: str) -> Stamp | None:
        return version_rows.read_stamp(sql, self.formats) or self.runs.read_stamp(sql)

    def asked(self, sql: str) -> str | None:
        return self.runs.asked(sql) or version_rows.asked_table(sql, self.formats)

    def source_line(self, file: Path, sql: str) -> int | None:
        if file.suffix != ".py":
            return revision_files.line_of(file, sql)
        if is_django(file):
            return django_code.line_of(file, sql)
        return self.runs.source_line(file, sql) or revision_files.line_of(file, sql)

    def render(self, steps: Sequence[Step]) -> str:
        if self.known is None:
            return self.runs.render(steps)
        match self.known.language:
            case "django":
                return as_django(steps)
            case "python":
                return as_python(steps)
            case "javascript":
                return as_javascript(steps, self.known)
            case "rails":
                return as_rails(steps)
        return as_sql(steps, self.known)

    @contextmanager
    def pasted(self, file: Path, line: int, code: str, *, whole: bool = False) -> Iterator[Tool | None]:
        if self.known is not None:
            yield None
            return
        with self.runs.pasted(file, line, code, whole=whole) as pasted:
            yield pasted

    def suppression(self, file: Path, line: int, rule: str) -> str | None:
        return self.runs.suppression(file, line, rule) or revision_files.suppression(file, line, rule)


def settled(tool: Tool, statements: Sequence[Statement]) -> Tool:
    """Return the tool as a run has shown it: findings are then in its language.

    Where the run wrote no version table that is known, or Alembic's, the tool stays what it was or speaks SQL.
    """
    if not isinstance(tool, AnyTool) or tool.known is not None:
        return tool
    writes = [write for item in statements if item.stamps and (write := version_rows.read_write(item.sql))]
    formats = [known for write in writes if (known := version_rows.format_of(write, tool.formats))]
    if not formats:
        return (
            tool if writes or any(map(tool.runs.asked, (item.sql for item in statements))) else replace(tool, known=SQL)
        )
    known = formats[0]
    files = {Path(item.file).suffix for item in statements if item.file}
    if known.name == "Rails or dbmate":
        known = RAILS if ".rb" in files or not files else DBMATE
    return replace(tool, known=replace(known, language="sql") if files == {".sql"} else known)


SQL = Format("SQL", "", ())
RAILS = replace(next(known for known in FORMATS if known.name == "Rails or dbmate"), name="Rails", language="rails")
DBMATE = replace(RAILS, name="dbmate", language="sql", leave="-- migrate:up transaction:false")
