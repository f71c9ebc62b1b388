"""Another tool than Alembic: a class that does what the seam asks is all that the machinery needs."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from inboxbench.database import Connection
from inboxbench.dryrun.model import DryRun, Lock, Scan, Statement, Transaction
from inboxbench.dryrun.observe.sampler import Catalogue, Poll
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.run import check_aim
from inboxbench.dryrun.tools.attribution import attribute
from inboxbench.dryrun.tools.base import Command, Stamp, Tool
from inboxbench.dryrun.tools.process import run_tool
from inboxbench.errors import UsageError
from inboxbench.migrate.history import History, Revision


@dataclass(frozen=True)
class Plain:
    """Numbered SQL files, applied in order and written down in a table of its own."""

    folder: Path
    name: str = "Plain"
    shown: str = "plain up"
    aims: bool = True
    timeout_s: float = 60.0
    version_tables: tuple[str, ...] = ("plain_history",)

    def command(self, url: str, target: str, *, downgrade: bool = False) -> Command:
        words = "down" if downgrade else "up"
        program = f"import os; print({words!r}, {target!r}, os.environ['PLAIN_URL'])"
        return Command([sys.executable, "-c", program], {"PLAIN_URL": url}, self.folder, url)

    def history(self, revisions: set[str]) -> History:
        files = sorted(self.folder.glob("*.sql"))
        parents = [(), *((file.stem,) for file in files)]
        scripts = [Revision(file.stem, before, file.stem, file) for file, before in zip(files, parents, strict=False)]
        return History({script.revision: script for script in scripts if not revisions or script.revision in revisions})

    def configured(self, _history: History) -> tuple[str, ...]:
        return ()

    def states(self, connection: Connection) -> dict[str, list[str]]:
        return {"plain_history": [version for (version,) in connection.execute("SELECT version FROM plain_history")]}

    def stamp(self, connection: Connection, revision: str) -> None:
        connection.execute("INSERT INTO plain_history VALUES (%s)", (revision,))

    def read_stamp(self, sql: str) -> Stamp | None:
        insert = re.fullmatch(r"INSERT INTO plain_history VALUES \('(\w+)'\)", sql)
        return Stamp("plain_history", None, insert[1]) if insert else None

    def asked(self, sql: str) -> str | None:
        return "plain_history" if sql == "SELECT version FROM plain_history" else None

    def source_line(self, file: Path, sql: str) -> int | None:
        lines = file.read_text(encoding="utf-8").splitlines()
        return lines.index(sql) + 1 if sql in lines else None

    def render(self, steps: Sequence[Step]) -> str:
        return "\n".join(f"{step.sql};" for step in steps)

    def pasted(self, file: Path, line: int, code: str, *, whole: bool = False) -> AbstractContextManager[None]:
        del file, line, code, whole
        return nullcontext()

    def suppression(self, file: Path, line: int, rule: str) -> str | None:
        return "as it says" if f"-- ignore {rule}" in file.read_text(encoding="utf-8").splitlines()[line - 1] else None


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    (tmp_path / "0001.sql").write_text("CREATE TABLE t (a int)\n", encoding="utf-8")
    (tmp_path / "0002.sql").write_text("-- why\nALTER TABLE t ADD COLUMN b int\n", encoding="utf-8")
    return Plain(tmp_path)


NOTHING = Samples(Poll(catalogues=[Catalogue(0.0, {})]))
TEXTS = (
    "SELECT version FROM plain_history",
    "CREATE TABLE t (a int)",
    "INSERT INTO plain_history VALUES ('0001')",
    "ALTER TABLE t ADD COLUMN b int",
)


def statements(*texts: str) -> list[Statement]:
    return [Statement(number, None, text, 7, number, number * 10.0, 1.0) for number, text in enumerate(texts, start=1)]


def test_statements_belong_to_the_revisions_that_its_own_table_names(tool: Tool) -> None:
    done = statements(*TEXTS, "INSERT INTO plain_history VALUES ('0002')")
    transactions = [Transaction(one.number, 7, one.started_ms, one.started_ms + 1, "commit") for one in done]
    placed, revisions = attribute(tool, done, transactions, tool.history(set()), samples=NOTHING, epoch_ms=0.0)
    assert [(one.revision, one.line) for one in placed] == [
        (None, None), ("0001", 1), ("0001", None), ("0002", 2), ("0002", None),
    ]  # fmt: skip
    assert [(one.revision, one.title) for one in revisions] == [("0001", "0001"), ("0002", "0002")]
    assert {stamp.table for one in done if (stamp := tool.read_stamp(one.sql))} == {"plain_history"}


def test_a_failure_is_of_the_revision_that_comes_next(tool: Tool) -> None:
    *done, last = statements(*TEXTS)
    failed = [*done, replace(last, error="no")]
    _, revisions = attribute(tool, failed, [], tool.history(set()), samples=NOTHING, epoch_ms=0.0)
    assert [(one.revision, one.error) for one in revisions] == [("0001", None), ("0002", "no")]


def test_its_command_is_run_and_its_url_is_hidden(tool: Tool) -> None:
    ended = run_tool(tool, "postgresql://me:geheim@here/db", "0002", downgrade=True)
    assert (ended.status, ended.said.strip()) == (0, "down 0002 URL")


def test_what_cannot_be_aimed_is_refused(tool: Tool, tmp_path: Path) -> None:
    check_aim(tool, "0001", "0002")
    with pytest.raises(UsageError, match=r"write \{revision\} where it takes"):
        check_aim(Plain(tmp_path, aims=False), "0001", "0002")


def test_its_code_and_its_comments_are_its_own(tool: Tool, tmp_path: Path) -> None:
    """A finding has code that the tool renders, and is silenced where the tool finds a comment."""
    lock = Lock("public.t", "table", "SHARE", 0.0, 400.0)
    index = Statement(
        1, "0001", "CREATE INDEX i ON t (a)", 7, 1, 0.0, 400.0, locks=(lock,), scans=(Scan("public.t", 1_000_000),),
        file=str(tmp_path / "0001.sql"), line=1,
    )  # fmt: skip
    run = DryRun(
        "18", "shop", "plain up", "2026-11-30", 400.0, (), (index,), (Transaction(1, 7, 0.0, 400.0, "commit"),)
    )
    (finding,) = (one for one in find(run, tool) if one.rule == "index-not-concurrent")
    assert (finding.code, finding.suppressed) == ("CREATE INDEX CONCURRENTLY i ON t (a);", None)
    (tmp_path / "0001.sql").write_text("CREATE INDEX i ON t (a) -- ignore index-not-concurrent\n", encoding="utf-8")
    (finding,) = (one for one in find(run, tool) if one.rule == "index-not-concurrent")
    assert finding.suppressed == "as it says"
