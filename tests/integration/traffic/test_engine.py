"""Traffic beside a chain: every class keeps its schedule, whatever another request waits for."""

from __future__ import annotations

import gc
import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from inboxbench.traffic.engine import RequestClass, Traffic, live_traffic

if TYPE_CHECKING:
    from tests.conftest import Database


def _nothing(_random: Random) -> dict[str, Any]:
    return {}


def _class(name: str, *statements: str, weight: float = 1, undo: bool = False) -> RequestClass:
    return RequestClass(name, "read", weight, statements, _nothing, undo)


def _until(traffic: Traffic, name: str, count: int) -> None:
    while sum(answer.name == name for answer in traffic.answers) < count:
        time.sleep(0.005)


def test_a_request_that_waits_does_not_keep_its_class_from_sending(database: Database) -> None:
    """Every other request wants a lock that we hold; the class answers the rest meanwhile, on other connections."""
    turns = iter(range(10**6))

    def draw(_random: Random) -> dict[str, Any]:
        return {"wanted": 7 if next(turns) % 2 else None}

    with database.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        query = "SELECT pg_advisory_lock_shared(%(wanted)s), pg_advisory_unlock_shared(%(wanted)s)"
        item = RequestClass("either", "read", 1, (query,), draw)
        with live_traffic(database.conninfo, [item], rate=50) as traffic:
            _until(traffic, "either", 4)
            waited = len(traffic.pids)
            holder.execute("SELECT pg_advisory_unlock(7)")
    assert waited > 1
    assert all(answer.error is None for answer in traffic.answers)


def test_the_rate_is_shared_by_weight(database: Database) -> None:
    classes = [_class("often", "SELECT 1", weight=4), _class("seldom", "SELECT 1", weight=1)]
    with live_traffic(database.conninfo, classes, rate=200) as traffic:
        _until(traffic, "often", 40)
    due = {name: sorted(one.due_ms for one in traffic.answers if one.name == name)[1:] for name in ("often", "seldom")}
    gaps = {name: (moments[-1] - moments[0]) / (len(moments) - 1) for name, moments in due.items()}
    assert gaps == {"often": pytest.approx(1000 / 160), "seldom": pytest.approx(1000 / 40)}


def test_a_class_that_is_stopped_early_sends_once_and_no_latency_is_negative(database: Database) -> None:
    """What is not due when the traffic stops is not sent: it would have been answered before its time."""
    classes = [_class("often", "SELECT 1", weight=50), _class("seldom", "SELECT 1", weight=1)]
    with live_traffic(database.conninfo, classes, rate=51) as traffic:
        _until(traffic, "often", 3)
    assert [answer.name for answer in traffic.answers].count("seldom") >= 1
    assert min(answer.latency_ms for answer in traffic.answers) >= 0


def test_no_collection_of_garbage_stops_the_traffic(database: Database) -> None:
    """One of the observer's million objects took half a second, and everybody seemed to have waited."""
    assert gc.isenabled()
    with live_traffic(database.conninfo, [_class("one", "SELECT 1")]) as outer:
        with live_traffic(database.conninfo, [_class("other", "SELECT 1")]):
            _until(outer, "one", 3)
        assert not gc.isenabled()
    assert gc.isenabled()
    crash = pytest.raises(ZeroDivisionError, match="division by zero")
    with crash, live_traffic(database.conninfo, [_class("one", "SELECT 1")]):
        raise ZeroDivisionError("division by zero")
    assert gc.isenabled()


def test_what_is_undone_leaves_the_rows_as_they_were(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE things (id int)")
        with live_traffic(database.conninfo, [_class("add", "INSERT INTO things VALUES (1)", undo=True)]) as traffic:
            _until(traffic, "add", 3)
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (0,)
        assert connection.execute("SELECT n_tup_ins >= 0 FROM pg_stat_user_tables").fetchone() == (True,)
    assert not [answer for answer in traffic.answers if answer.error]


def test_errors_and_ended_sessions_are_answers_and_the_traffic_goes_on(database: Database) -> None:
    with live_traffic(database.conninfo, [_class("wrong", "SELECT 1/0"), _class("right", "SELECT 1")]) as traffic:
        _until(traffic, "wrong", 2)
        with database.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE '%: right'"
            )
        sent = sum(answer.name == "right" for answer in traffic.answers)
        _until(traffic, "right", sent + 3)
    assert {answer.state for answer in traffic.answers if answer.name == "wrong"} == {"22012"}
    assert [answer for answer in traffic.answers if answer.name == "right"][-1].error is None


def test_a_mistake_in_the_traffic_itself_is_raised(database: Database) -> None:
    def broken(_random: Random) -> dict[str, Any]:
        raise LookupError("no such conversation")

    with (
        pytest.raises(LookupError, match="no such conversation"),
        live_traffic(database.conninfo, [RequestClass("broken", "read", 1, ("SELECT 1",), broken)]),
    ):
        pass


def test_a_lock_timeout_of_the_database_is_not_the_traffics(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(f"ALTER DATABASE {database.name} SET lock_timeout = '10ms'".encode())
    query = "SELECT 1 / (current_setting('lock_timeout') = '0')::int"
    with live_traffic(database.conninfo, [_class("probe", query)]) as traffic:
        _until(traffic, "probe", 2)
    assert {answer.error for answer in traffic.answers} == {None}
