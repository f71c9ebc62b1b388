"""What is proposed must hold within the rest of its revision: it is pasted into a copy of the file, and run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inboxbench.database import connect, scratch_database
from inboxbench.database_copy import cloned
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.rewrites.compare import with_rewrites
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.server import Server

Judge = Callable[..., DryRun]
_DATA = """
    CREATE TYPE size AS ENUM ('small', 'large');
    CREATE TABLE parcels (id int PRIMARY KEY, size size NOT NULL, weight int NOT NULL);
    INSERT INTO parcels SELECT n, 'small', n FROM generate_series(1, 3000) AS n;
    ANALYZE parcels;
"""
_ENVIRONMENT = """
import os
from alembic import context
from sqlalchemy import create_engine
url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
_EXCHANGED = [
    "ALTER TYPE size RENAME TO size_old",
    "CREATE TYPE size AS ENUM ({values})",
    "ALTER TABLE parcels ALTER COLUMN size TYPE size USING size::text::size",
    "DROP TYPE size_old",
]


@pytest.fixture
def judged(server: Server, tmp_path: Path) -> Judge:
    """Rehearse a history of one revision that runs these statements, and compare its findings."""
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")

    def judge(*statements: str) -> DryRun:
        (tmp_path / "versions").mkdir(exist_ok=True)
        (tmp_path / "env.py").write_text(_ENVIRONMENT, encoding="utf-8")
        lines = "\n".join(f'    op.execute("""{statement}""")' for statement in statements)
        head = '"""one"""\nfrom alembic import op\nrevision = "one"\ndown_revision = None\n\n\ndef upgrade():\n'
        (tmp_path / "versions" / "one.py").write_text(f"{head}{lines}\n", encoding="utf-8")
        tool = Alembic(script_location=tmp_path)
        with scratch_database(server, "held") as template:
            with connect(server.conninfo(template)) as connection:
                connection.execute(_DATA)

            @contextmanager
            def at(_revision: str) -> Iterator[str]:
                with cloned(server, template) as name:
                    yield name

            with cloned(server, template) as name:
                run = rehearse(server, name, tool, source="parcels", begin=None, target="head")
            return with_rewrites(with_findings(run, tool), server, at, tool)

    return judge


def test_a_type_that_the_rest_of_the_revision_drops_is_in_the_way(judged: Judge) -> None:
    """The second column leaves the first one behind, and with it what the revision wants to be rid of."""
    run = judged(*(text.format(values="'large', 'small'") for text in _EXCHANGED))
    (finding,) = [finding for finding in run.findings if finding.rule == "table-rewrite"]
    assert finding.compared is None
    assert "op.execute" not in finding.code
    assert "cannot drop type size_old because other objects depend on it" in finding.code
    assert any("pasted in its revision, it does not hold" in note for note in run.notes)


def test_more_values_are_added_to_the_type_that_is_there(judged: Judge) -> None:
    run = judged(*(text.format(values="'small', 'medium', 'large'") for text in _EXCHANGED))
    (finding,) = [finding for finding in run.findings if finding.rule == "table-rewrite"]
    assert "ALTER TYPE size ADD VALUE 'medium' AFTER 'small'" in finding.code
    assert finding.compared is not None
    assert finding.compared.rewrite["reads_blocked_ms"] == 0


def test_what_holds_is_proposed_and_may_leave_more_than_the_revision_did(judged: Judge) -> None:
    run = judged("ALTER TABLE parcels ALTER COLUMN weight TYPE bigint", "CREATE TABLE after (a int)")
    (finding,) = [finding for finding in run.findings if finding.rule == "table-rewrite"]
    assert finding.compared is not None
    assert "weight_new" in finding.code


def test_what_the_rest_of_the_revision_builds_on_is_missed(judged: Judge) -> None:
    """A view on the new type would be on the column of the old one."""
    run = judged(
        "ALTER TABLE parcels ALTER COLUMN weight TYPE bigint",
        "ALTER TABLE parcels ALTER COLUMN weight SET DEFAULT 7",
        "ALTER TABLE parcels ADD COLUMN weight_old int",
    )
    (finding,) = [finding for finding in run.findings if finding.rule == "table-rewrite"]
    assert finding.compared is None
    assert "weight_old" in finding.code
