"""Traffic during a migration is real requests of the application that is deployed, counted from when they were due."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from inboxbench.errors import UsageError
from inboxbench.migrate import runner
from inboxbench.migrate.record import summarise
from inboxbench.migrate.session import Settings
from inboxbench.project import Project
from inboxbench.traffic.engine import RequestClass, live_traffic
from inboxbench.traffic.file import read_project_traffic

if TYPE_CHECKING:
    from tests.conftest import Database

FILLER = Path(__file__).parents[2] / "migrations" / "filler.sql"


def _nothing(_random: Random) -> dict[str, object]:
    return {}


def _probe(*statements: str) -> RequestClass:
    return RequestClass("probe", "read", 1, statements, _nothing)


@pytest.fixture
def filled(database: Database, project: Project) -> Database:
    with database.connect() as connection:
        connection.execute((project.schema / "baseline.sql").read_bytes())
        connection.execute(FILLER.read_bytes())
    return database


def test_traffic_during_an_upgrade_reaches_every_class_and_no_request_fails(filled: Database, project: Project) -> None:
    with filled.connect() as connection:
        classes = read_project_traffic(project.traffic, connection)
    with live_traffic(filled.conninfo, classes, options="") as traffic:
        run = runner.upgrade(filled.conninfo, project, settings=Settings(pause_share=0))
    summaries = summarise(traffic, run.revisions)
    assert {one.name for one in summaries} == {item.name for item in classes}
    assert [(one.name, one.first_error) for one in summaries if one.errors] == []
    known = {one.revision.revision for one in run.revisions} | {None}
    assert all(one.worst_revision in known for one in summaries)


def test_a_request_that_could_not_be_sent_in_time_counts_from_when_it_was_due(filled: Database) -> None:
    """Its eight sessions answer 20 requests a second of the 50 that are due, so a later one was sent far too late."""
    with live_traffic(filled.conninfo, [_probe("SELECT pg_sleep(0.4)")], rate=50) as traffic:
        while len(traffic.answers) < 30:
            time.sleep(0.01)
    late = [answer for answer in traffic.answers if answer.sent_ms - answer.due_ms > 5 * 20]
    assert late
    assert all(answer.latency_ms == answer.finished_ms - answer.due_ms for answer in late)
    (summary,) = summarise(traffic)
    assert summary.max_stall_ms == max(answer.latency_ms for answer in traffic.answers)


def test_errors_of_the_server_are_counted_and_the_traffic_goes_on(filled: Database) -> None:
    with live_traffic(filled.conninfo, [_probe("SELECT 1 / 0")], rate=50) as traffic:
        while len(traffic.answers) < 3:
            time.sleep(0.01)
    (summary,) = summarise(traffic)
    assert summary.requests is not None
    assert summary.errors == summary.requests >= 3
    assert summary.first_error == "division by zero"


def test_a_session_that_is_ended_is_opened_again(filled: Database) -> None:
    """The first request was answered on the only session there is; the one that finds it ended fails, and no other."""
    with live_traffic(filled.conninfo, [_probe("SELECT 1")], rate=5) as traffic:
        with filled.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE '%traffic%'"
            )
        ended_at = len(traffic.answers)
        while len(traffic.answers) < ended_at + 5:
            time.sleep(0.01)
    failed = [answer for answer in traffic.answers if answer.error]
    assert 1 <= len(failed) <= len(traffic.pids) - 1
    assert traffic.answers[-1].error is None


def test_a_mistake_in_the_traffic_itself_is_raised(filled: Database) -> None:
    def broken(_random: Random) -> dict[str, object]:
        raise LookupError("no such conversation")

    item = RequestClass("broken", "read", 1, ("SELECT 1",), broken)
    with pytest.raises(LookupError, match="no such conversation"), live_traffic(filled.conninfo, [item]):
        pass


def test_an_empty_messenger_has_no_traffic(database: Database, project: Project) -> None:
    with database.connect() as connection:
        connection.execute((project.schema / "baseline.sql").read_bytes())
        with pytest.raises(UsageError, match="draw gives no rows on this database; fill its tables"):
            read_project_traffic(project.traffic, connection)
