"""Many workers at once: the naive strategy is caught, the others never are."""

from __future__ import annotations

import dataclasses
import os
from contextlib import ExitStack, closing

import pytest

from inboxbench.database import Connection, connect, list_databases
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.messenger.throughput.python_workers import run_races
from inboxbench.messenger.throughput.result import RaceResult, require_safe
from inboxbench.project import find_project
from inboxbench.race.strategy import read_strategies
from inboxbench.race.stress.worker_pool import MOST_WORKERS
from inboxbench.server import Server, open_server

IMAGE = os.environ.get("INBOXBENCH_CONTAINER_IMAGE", "postgres:18")
STRATEGIES = read_strategies(find_project())
SAFE = [name for name, strategy in STRATEGIES.items() if strategy.safe]


def test_safe_strategies_empty_the_queue_without_a_double(server: Server) -> None:
    """P1.2: every conversation is assigned once, by 16 workers, to the last one."""
    results = run_races(server, strategies=SAFE, workers=[16], conversations=60, think_ms=0, seconds=120)
    assert [result.strategy for result in results if not result.safe] == []
    outcomes = {result.strategy: (result.assigned, result.claims, result.doubles) for result in results}
    assert outcomes == dict.fromkeys(SAFE, (60, 60, 0))
    require_safe(results)


def test_the_naive_strategy_is_caught(server: Server) -> None:
    (result,) = run_races(server, strategies=["naive"], workers=[16], conversations=200, seconds=1)
    assert result.doubles > 0
    assert result.claims == result.assigned + result.doubles
    assert not result.safe


def test_results_come_in_the_order_asked_for(server: Server) -> None:
    names = ["skip-locked", "compare-and-set"]
    told: list[str] = []
    results = run_races(
        server, strategies=names, workers=[2, 3], conversations=20, think_ms=0, seconds=30, progress=told.append
    )
    assert [(r.workers, r.strategy) for r in results] == [(count, name) for count in (2, 3) for name in names]
    assert len(told) == 4
    row = results[0].to_json()
    required = {"server", "strategy", "workers", "conversations", "assigned", "doubles", "retries", "deadlocks"}
    assert required | {"seconds", "per_s", "safe"} <= set(row)


def test_one_worker_is_the_base_and_every_load_compares_with_its_own_naive(server: Server) -> None:
    """A worker alone races with nobody: no double, and no complaint that the naive strategy was not caught."""
    names = ["naive", "skip-locked-one"]
    results = run_races(server, strategies=names, workers=[1], conversations=15, think_ms=[0, 1], seconds=60)
    assert [(r.think_ms, r.strategy, r.assigned, r.doubles) for r in results] == [
        (think, name, 15, 0) for think in (0, 1) for name in names
    ]
    bases = {r.think_ms: r.per_s for r in results if r.strategy == "naive"}
    assert [r.times_naive for r in results] == [round(r.per_s / bases[r.think_ms], 2) for r in results]


def test_without_a_naive_round_there_is_nothing_to_compare_with(server: Server) -> None:
    (result,) = run_races(server, strategies=["skip-locked"], workers=[2], conversations=5, seconds=30)
    assert result.times_naive is None


def test_nothing_is_left_behind(server: Server) -> None:
    before = [info.name for info in list_databases(server)]
    run_races(server, strategies=["skip-locked-one"], workers=[2], conversations=5, seconds=30)
    with pytest.raises(UsageError):
        run_races(server, strategies=["nonsense"])
    assert [info.name for info in list_databases(server)] == before


def test_a_load_that_proves_nothing_is_an_error(server: Server) -> None:
    """Rounds that end before anything is attempted cannot show the naive strategy's fault."""
    with pytest.raises(SubjectFailed, match="proves nothing"):
        run_races(server, strategies=["naive"], workers=[2], conversations=1, think_ms=0, seconds=1e-9)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"workers": [0]}, "outside 1"),
        ({"workers": [1000]}, "outside 1"),
        ({"workers": []}, "at least one"),
        ({"conversations": 0}, "leaves nothing"),
        ({"think_ms": -1}, "0 or more"),
        ({"think_ms": []}, "0 or more"),
        ({"strategies": ["skip-lock"]}, "did you mean 'skip-locked'"),
    ],
)
def test_conditions_are_checked_before_anything_starts(
    server: Server, conditions: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run_races(server, **conditions)  # type: ignore[arg-type]


def test_more_workers_than_the_server_has_room_for(server: Server) -> None:
    """Other people's connections fill it up to where the largest crowd does not fit any more."""
    with ExitStack() as stack:
        while room(first := stack.enter_context(closing(connect(server.conninfo())))) > MOST_WORKERS:
            assert not first.closed
        with pytest.raises(UsageError, match=rf"has room for \d+ more connections and {MOST_WORKERS} workers need"):
            run_races(server, workers=[MOST_WORKERS])


def room(connection: Connection) -> int:
    row = connection.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_safe_strategy_with_a_double_passes_the_threshold(server: Server) -> None:
    (result,) = run_races(server, strategies=["skip-locked-one"], workers=[2], conversations=5, seconds=30)
    broken = dataclasses.replace(result, doubles=1)
    with pytest.raises(ThresholdExceeded, match="'skip-locked-one' is meant to be safe and assigned 1"):
        require_safe([broken])
    require_safe([dataclasses.replace(broken, safe=False)])


@pytest.mark.container
@pytest.mark.slow
def test_the_same_holds_on_a_container() -> None:
    with open_server(f"container:{IMAGE}") as contained:
        results = run_races(contained, workers=[16], conversations=400, seconds=2)
    by_name: dict[str, RaceResult] = {result.strategy: result for result in results}
    assert by_name["naive"].doubles > 0
    assert [by_name[name].doubles for name in SAFE] == [0] * len(SAFE)
