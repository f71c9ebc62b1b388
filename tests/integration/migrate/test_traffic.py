"""Traffic beside a migration is real requests of old code, counted from when they were due."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from inboxbench.errors import UsageError
from inboxbench.messenger.old_code import old_code
from inboxbench.migrate import runner
from inboxbench.migrate.session import Settings
from inboxbench.migrate.traffic import TrafficClass, live_traffic, summarise
from inboxbench.project import Project

if TYPE_CHECKING:
    from tests.conftest import Database

FILLER = Path(__file__).parents[2] / "migrations" / "filler.sql"


def _nothing(_random: Random) -> dict[str, object]:
    return {}


def _probe(*statements: str, rate: float = 50) -> TrafficClass:
    return TrafficClass("probe", "read", rate, statements, _nothing)


@pytest.fixture
def filled(database: Database, project: Project) -> Database:
    with database.connect() as connection:
        connection.execute((project.schema / "baseline.sql").read_bytes())
        connection.execute(FILLER.read_bytes())
    return database


def test_traffic_during_an_upgrade_reaches_every_class_and_no_request_fails(filled: Database, project: Project) -> None:
    with filled.connect() as connection:
        classes = old_code(connection)
    with live_traffic(filled.conninfo, classes) as traffic:
        run = runner.upgrade(filled.conninfo, project, settings=Settings(pause_share=0))
    summaries = summarise(traffic, run.revisions)
    assert {one.name for one in summaries} == {item.name for item in classes}
    assert [(one.name, one.first_error) for one in summaries if one.errors] == []
    known = {one.revision.revision for one in run.revisions} | {None}
    assert all(one.worst_revision in known for one in summaries)


def test_a_request_that_could_not_be_sent_in_time_counts_from_when_it_was_due(filled: Database) -> None:
    """Each answer takes twice as long as the schedule allows, so the last request started far too late."""
    with live_traffic(filled.conninfo, [_probe("SELECT pg_sleep(0.04)")]) as traffic:
        while len(traffic.samples) < 10:
            time.sleep(0.01)
    latencies = [sample.latency_ms for sample in traffic.samples]
    assert latencies == sorted(latencies)
    assert latencies[-1] > 5 * 20


def test_errors_of_the_server_are_counted_and_the_traffic_goes_on(filled: Database) -> None:
    with live_traffic(filled.conninfo, [_probe("SELECT 1 / 0")]) as traffic:
        while len(traffic.samples) < 3:
            time.sleep(0.01)
    (summary,) = summarise(traffic)
    assert summary.errors == summary.requests >= 3
    assert summary.first_error == "division by zero"


def test_a_session_that_is_ended_is_opened_again(filled: Database) -> None:
    with live_traffic(filled.conninfo, [_probe("SELECT 1")]) as traffic:
        while not traffic.samples:
            time.sleep(0.01)
        with filled.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE '%traffic%'"
            )
        ended_at = len(traffic.samples)
        while len(traffic.samples) < ended_at + 5:
            time.sleep(0.01)
    assert [sample.error is None for sample in traffic.samples].count(False) == 1
    assert traffic.samples[-1].error is None


def test_a_mistake_in_the_traffic_itself_is_raised(filled: Database) -> None:
    def broken(_random: Random) -> dict[str, object]:
        raise LookupError("no such conversation")

    def run() -> None:
        with live_traffic(filled.conninfo, [TrafficClass("broken", "read", 50, ("SELECT 1",), broken)]) as traffic:
            while not traffic.crashes:
                time.sleep(0.01)

    with pytest.raises(LookupError, match="no such conversation"):
        run()


def test_an_empty_messenger_has_no_traffic(database: Database, project: Project) -> None:
    with database.connect() as connection:
        connection.execute((project.schema / "baseline.sql").read_bytes())
        with pytest.raises(UsageError, match="holds no conversations"):
            old_code(connection)
