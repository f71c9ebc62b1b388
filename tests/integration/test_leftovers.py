"""What a killed process left on a server can be found, is told from what is alive, and goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from psycopg import sql

from inboxbench import database as db
from inboxbench import database_marks as marks
from inboxbench.leftovers import remove_leftovers, temporary_databases, tidy
from inboxbench.owner import this_process
from inboxbench.server import Server

MAKE = """
import sys, time
from inboxbench.database import scratch_database
from inboxbench.server import open_server
with open_server(sys.argv[1]) as server, scratch_database(server, "probe") as name:
    print(name, flush=True)
    time.sleep(300)
"""


@contextmanager
def _maker(server: Server) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", MAKE, server.url("postgres")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def _states(server: Server) -> dict[str, str]:
    return {left.name: left.state for left in temporary_databases(server)}


def test_a_database_is_left_alone_while_its_process_runs_and_removed_after(server: Server) -> None:
    with _maker(server) as (process, name):
        assert _states(server)[name] == "running"
        tidy(server)
        assert db.exists(server, name)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert _states(server)[name] == "gone"
        removed, problems = remove_leftovers(server)
        assert name in {left.name for left in removed}
        assert not problems
    assert not db.exists(server, name)


def test_a_database_of_another_machine_goes_only_when_the_machine_is_named(server: Server) -> None:
    other = replace(this_process(), host="runner-7", machine="another")
    with db.scratch_database(server, "probe") as name:
        db.write_marker(server, name, {"kind": "work", "owner": other.to_json()})
        remove_leftovers(server)
        assert _states(server)[name] == "elsewhere"
        remove_leftovers(server, hosts=["runner-8"])
        assert db.exists(server, name)
        remove_leftovers(server, hosts=["runner-7"])
        assert not db.exists(server, name)


def test_a_database_whose_maker_was_killed_before_it_marked_it(server: Server) -> None:
    name = marks.database_name("probe")
    with db.connect(server.conninfo()) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with db.connect(server.conninfo()) as maker:
            maker.execute("SELECT pg_advisory_lock(hashtextextended('inboxbench database ' || %s, 0))", (name,))
            assert name not in _states(server)
        assert _states(server)[name] == "gone"
    tidy(server)
    assert not db.exists(server, name)


@pytest.mark.parametrize(
    "name", ["inboxbench_race_12345678", "inboxbench_mine", "inboxbench_race_0123456789ab", "inboxbenchx"]
)
@pytest.mark.parametrize("comment", [None, "mine", "inboxbench: nothing", "inboxbench: []"])
def test_a_database_of_somebody_is_never_touched(server: Server, name: str, comment: str | None) -> None:
    identifier = sql.Identifier(name)
    with db.connect(server.conninfo()) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(identifier))
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(identifier, sql.Literal(comment)))
        try:
            remove_leftovers(server, hosts=[this_process().host])
            assert db.exists(server, name)
            assert name not in _states(server)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {}").format(identifier))


def _command(server: Server, *words: str) -> str:
    command = [sys.executable, "-m", "inboxbench", *words, "--server", server.url("postgres")]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout


def test_the_commands_list_and_remove_what_was_left(server: Server) -> None:
    with _maker(server) as (process, name), _maker(server) as (_, running):
        process.kill()
        process.wait()
        assert name not in _command(server, "dataset", "list")
        listed = _command(server, "dataset", "list", "--all", "--format", "json")
        assert f'"{name}"' in listed
        assert '"state": "gone"' in listed
        assert f"removed database {name}" in _command(server, "dataset", "prune")
        assert db.exists(server, running)
        with pytest.raises(subprocess.CalledProcessError) as refused:
            _command(server, "dataset", "rm", running)
        assert "which runs; end that first" in refused.value.stderr
    assert f"removed {running}" in _command(server, "dataset", "rm", running)


@contextmanager
def _listing(server: Server, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A seed into `name`, a database of somebody's, that has made its tables."""
    words = ["seed", "small", "--database", name, "--allow-foreign", "--server", server.url("postgres")]
    with subprocess.Popen(
        [sys.executable, "-m", "inboxbench", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            with db.connect(server.conninfo(name)) as connection:
                while db.first_row(connection, "SELECT to_regclass('inboxbench_loading')")[0] is None:
                    assert process.poll() is None
                    time.sleep(0.05)
            yield process
        finally:
            process.kill()


def _listed(server: Server) -> set[tuple[str, str]]:
    listed = json.loads(_command(server, "dataset", "list", "--all", "--format", "json"))
    return {(item.get("what"), item.get("state")) for item in listed}


def test_the_commands_list_and_remove_what_a_killed_seed_left_in_a_database_of_somebody(server: Server) -> None:
    name = "shop_of_somebody"
    with db.connect(server.conninfo()) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with _listing(server, name) as seeding:
                assert ("load", "running") in _listed(server)
                assert f"load {name}" not in _command(server, "dataset", "prune")
                seeding.kill()
                seeding.wait()
                assert ("load", "gone") in _listed(server)
                with db.connect(server.conninfo(name)) as connection:
                    connection.execute("CREATE VIEW theirs AS SELECT id FROM contacts")
                    with pytest.raises(subprocess.CalledProcessError) as kept:
                        _command(server, "dataset", "prune")
                    assert "view theirs depends on table contacts" in kept.value.stderr
                    connection.execute("DROP VIEW theirs")
                assert f"removed load {name}" in _command(server, "dataset", "prune")
            with db.connect(server.conninfo(name)) as connection:
                left = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                assert db.first_row(connection, left) == (0,)
        finally:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
