"""`bench --server a --server b`, and what a command for one server says to two."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from inboxbench.cli.bench.command import command
from inboxbench.errors import UsageError
from inboxbench.server import Server

QUICK = ("--sets", "primary_keys,baseline", "--queries", "list_all,thread_latest", "--rounds", "1")


@pytest.mark.parametrize("form", ["json", "text"])
def test_the_same_server_twice_changes_nothing(server: Server, filled: str, form: str) -> None:
    twice = ("--server", server.url("postgres")) * 2
    given = (*twice, "--database", filled, *QUICK, "--no-writes", "--no-throughput", "--format", form)
    result = CliRunner().invoke(command, given)
    assert result.exit_code == 0, result.output
    assert "cells were measured before" in result.stderr  # the second side knows what the first one measured
    if form == "text":
        assert "primary_keys: a typical read touches 1× the pages" in result.stdout
        return
    document = json.loads(result.stdout)
    cells = len(document["matrix"]["cells"])
    assert [len(one["matrix"]["cells"]) for one in document["servers"]] == [cells, cells]
    assert document["memory"][1] == document["memory"][1] | {"reused": cells, "measured": 0}
    (found,) = document["contrast"]
    assert found["changes"] == []
    assert found["typical"] == {"primary_keys": 1.0, "baseline": 1.0}


def test_a_command_for_one_server_refuses_two(server: Server) -> None:
    given = ("growth", "--server", server.url("postgres"), "--server", "embedded")
    error = CliRunner().invoke(command, given).exception
    assert isinstance(error, UsageError)
    assert "--server is given 2 times; this command runs on one" in str(error)


def test_a_server_that_is_not_here_is_said_before_the_first_is_measured(server: Server, filled: str) -> None:
    given = ("--server", server.url("postgres"), "--server", "bin:/nowhere", "--database", filled, *QUICK)
    error = CliRunner().invoke(command, given).exception
    assert isinstance(error, UsageError)
    assert "/nowhere is no PostgreSQL bindir" in str(error)
