"""Running a history: where it starts and ends, what it records, and who else may run one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.migrate import runner
from inboxbench.migrate.environment import _bound
from inboxbench.migrate.record import MigrationRun
from inboxbench.migrate.session import Event, Settings, StepStarted
from inboxbench.project import Project

if TYPE_CHECKING:
    from tests.conftest import Database

FAST = Settings(pause_share=0)


def _up(database: Database, project: Project, to: str, **more: object) -> runner.Run:
    return runner.upgrade(database.conninfo, project, to=to, settings=FAST, **more)  # type: ignore[arg-type]


def _old_baseline(database: Database, project: Project) -> None:
    with database.connect() as connection:
        connection.execute((project.schema / "baseline.sql").read_bytes())


def test_a_run_says_what_each_revision_took(database: Database, project: Project) -> None:
    run = _up(database, project, "0003")
    assert (run.before, run.after) == ("base", "0003")
    assert [(one.revision.revision, one.rows) for one in run.revisions] == [("0001", None), ("0002", None), ("0003", 0)]
    assert all(one.elapsed_s > 0 for one in run.revisions)
    assert [one.finished_ms for one in run.revisions[:-1]] == [one.started_ms for one in run.revisions[1:]]


def test_its_record_is_the_migration_part_of_a_run(database: Database, project: Project) -> None:
    record = MigrationRun(_up(database, project, "0001")).to_json()
    (revision,) = record.pop("revisions")
    assert revision.pop("elapsed_s") >= 0
    assert record.pop("elapsed_s") > 0
    assert record == {"from": "base", "to": "0001", "traffic": []}
    assert revision == {
        "revision": "0001",
        "started_s": 0.0,
        "slug": "expand_baseline",
        "title": "The messenger as it was",
        "kind": "expand",
        "phase": 1,
        "ids": ["C10", "C11", "M10"],
        "rows": None,
    }


def test_a_phase_ends_where_the_next_begins(database: Database, project: Project) -> None:
    runner.upgrade(database.conninfo, project, phase=1, settings=FAST)
    assert runner.current(database.conninfo) == "0011"


def test_an_upgrade_does_not_go_backwards(database: Database, project: Project) -> None:
    _up(database, project, "0003")
    with pytest.raises(UsageError, match="is at 0003, past 0001; `migrate downgrade --to 0001` goes back"):
        _up(database, project, "0001")


def test_a_revision_and_a_phase_contradict_each_other(database: Database, project: Project) -> None:
    with pytest.raises(UsageError, match="a revision or a phase, not both"):
        _up(database, project, "0001", phase=1)


def test_an_unknown_target_touches_nothing(database: Database, project: Project) -> None:
    with pytest.raises(UsageError, match="unknown revision '9999'"):
        _up(database, project, "9999")
    with pytest.raises(UsageError, match="unknown revision '9999'"):
        runner.downgrade(database.conninfo, project, to="9999")
    assert runner.current(database.conninfo) is None


def test_several_stamps_are_refused(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001'), ('0002')")
    with pytest.raises(UsageError, match=r"several revisions \(0001, 0002\)"):
        runner.current(database.conninfo)


def test_a_second_upgrade_of_the_same_database_is_kept_out(database: Database, project: Project) -> None:
    """Of another process, in the middle of the first."""
    attempts: list[subprocess.CompletedProcess[str]] = []

    def try_another(event: Event) -> None:
        if isinstance(event, StepStarted) and not attempts:
            attempts.append(_alembic(project, database.server.url(database.name), "upgrade", "0002"))

    assert _up(database, project, "0002", listener=try_another).after == "0002"
    (second,) = attempts
    assert second.returncode != 0
    said = " ".join((second.stdout + second.stderr).split())
    assert re.search(r"FAILED: another migration of database .* is running \(pid \d+, inboxbench migrate,", said), said


def test_a_failing_statement_names_its_revision_and_can_be_resumed(database: Database, project: Project) -> None:
    """A role of the same name as our function's owner cannot be made; a type in the way of a table can."""
    _up(database, project, "0011")
    with database.connect() as connection:
        connection.execute("CREATE TYPE conversation_counters AS ENUM ('in the way')")
    with pytest.raises(SubjectFailed, match=r'revision 0012 failed: type "conversation_counters" already exists'):
        _up(database, project, "0012")
    with database.connect() as connection:
        connection.execute("DROP TYPE conversation_counters")
    assert _up(database, project, "0012").after == "0012"


# Plain alembic ---------------------------------------------------------------------------------------------


def _alembic(project: Project, url: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INBOXBENCH_")}
    environment |= {"INBOXBENCH_DATABASE_URL": url} if url else {}
    command = [str(Path(sys.executable).with_name("alembic")), *arguments]
    return subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_alembic_upgrades_a_baseline_by_url(database: Database, project: Project, scheme: str) -> None:
    _old_baseline(database, project)
    url = database.server.url(database.name).replace("postgresql", scheme, 1)
    done = _alembic(project, url, "upgrade", "0003")
    assert done.returncode == 0, done.stderr
    assert "0003  backfill messages.message_type: 0 rows" in done.stderr
    assert _alembic(project, url, "current").stdout.strip() == "0003"


def test_alembic_says_in_one_line_what_is_wrong(database: Database, project: Project) -> None:
    unset = _alembic(project, None, "upgrade", "head")
    assert "FAILED: no database: set INBOXBENCH_DATABASE_URL" in unset.stdout + unset.stderr
    with database.connect() as connection:
        connection.execute("CREATE TABLE invoices (id int)")
    foreign = _alembic(project, database.server.url(database.name), "upgrade", "head")
    assert "FAILED: database" in foreign.stdout + foreign.stderr
    assert "holds other tables (invoices)" in foreign.stdout + foreign.stderr
    assert "Traceback" not in foreign.stderr + unset.stderr


def test_alembic_offline_mode_is_refused(database: Database, project: Project) -> None:
    refused = _alembic(project, database.server.url(database.name), "upgrade", "head", "--sql")
    assert "--sql has none to look at" in refused.stdout + refused.stderr


# The role's own settings -----------------------------------------------------------------------------------


def test_limits_and_isolation_of_the_role_do_not_reach_a_migration(database: Database) -> None:
    """A statement_timeout meant for requests would end an index build, REPEATABLE READ would blind a backfill."""
    role = {
        "statement_timeout": "1s",
        "lock_timeout": "1s",
        "default_transaction_isolation": "serializable",
        "idle_in_transaction_session_timeout": "1s",
    }
    with database.connect() as connection:
        for name, value in role.items():
            connection.execute(f"ALTER DATABASE {database.name} SET {name} = '{value}'".encode())
    with _bound(database.conninfo) as (_, connection):
        seen = {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in role}
    assert seen == {name: ("read committed" if "isolation" in name else "0",) for name in role}
