"""The seam for migration tools: all that a dry run knows of one, so that another tool is one more file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from inboxbench.database import Connection
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.migrate.history import History


@dataclass(frozen=True, slots=True)
class Stamp:
    """A write to the tool's version table: from the revision `was` to `to`, None where there is no such row.

    part: it comes after all that the revision does (whole), before it (opens), after what one before it opened
    (closes), or says nothing of where a revision begins or ends (remark). sure: the table is known by its name and
    columns.
    """

    table: str
    was: str | None
    to: str | None
    part: Literal["whole", "opens", "closes", "remark"] = "whole"
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start. `url` is hidden in what it prints: it may hold a password."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None
    url: str


class Tool(Protocol):
    """A migration tool as a project is set up to use it.

    name: of the tool; shown: the command as a person would type it; aims: whether it can be told where to stop;
    timeout_s: how long its command may run; version_tables: where it keeps its state when nothing else is configured.
    """

    @property
    def name(self) -> str: ...

    @property
    def shown(self) -> str: ...

    @property
    def aims(self) -> bool: ...

    @property
    def timeout_s(self) -> float: ...

    @property
    def version_tables(self) -> Collection[str]: ...

    def command(self, url: str, target: str, *, downgrade: bool = False) -> Command:
        """Return the command that migrates the database at `url` (postgresql://…) to the revision `target`.

        Raises UsageError for a command that cannot be read.
        """

    def history(self, revisions: set[str]) -> History:
        """Return the project's revisions. `revisions` are some that are known, to find the files by where nothing says
        where they are.

        Raises UsageError for a configuration that cannot be read.
        """

    def configured(self, history: History, /) -> tuple[str, ...]:
        """Return the version tables (name or schema.name) that the project configures; none where that is not to be
        read. history: the project's revisions, as far as they are known.
        """

    def states(self, connection: Connection) -> dict[str, list[str]]:
        """Return the revisions that a database is at, by version table (schema.name); several tables are those of
        several tenants, none is a database that the tool has never seen.
        """

    def stamp(self, connection: Connection, revision: str) -> None:
        """Record `revision` as applied without running it."""

    def read_stamp(self, sql: str) -> Stamp | None:
        """Return what a statement writes to a table of the version table's form; None for any other statement.

        Whether that table is the tool's is said by `stamps.read_stamps`.
        """

    def asked(self, sql: str) -> str | None:
        """Return the table that a statement asks, or makes, in the very words of the tool; None for any other."""

    def source_line(self, file: Path, sql: str) -> int | None:
        """Return the line of a revision file that a statement came from; None where the file does not show it."""

    def render(self, steps: Sequence[Step]) -> str:
        """Return the steps of a rewrite as code to paste into a revision."""

    def pasted(self, file: Path, line: int, code: str, *, whole: bool = False) -> AbstractContextManager[Tool | None]:
        """Yield the tool as it is with code in place of what a revision file has at a line, or of all that the revision
        does upwards; None where that cannot be tried. No file of the project is touched.
        """

    def suppression(self, file: Path, line: int, rule: str) -> str | None:
        """Return the reason that a comment at a line of a revision file gives to ignore the rule; None where there is
        none.
        """
