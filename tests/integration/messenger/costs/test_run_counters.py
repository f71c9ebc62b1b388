"""P2.3: ways to count measured for real: right ones stay right in a crowd, the control is caught, costs are counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from inboxbench.cli.bench.command import command
from inboxbench.database import list_databases
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.messenger.costs.counter import Counters, WayCost, read_ways
from inboxbench.messenger.costs.run_counters import Measures, run_counters
from inboxbench.project import Project
from inboxbench.server import Server

# The cheapest, one shared by everybody, the control, and the lists; `bench counters` runs them all.
WAYS = ("column_with_clocks", "column_trigger", "inbox_slots", "read_modify_write")
LISTS = ("list_rows_trigger", "list_rows_application")
SHORT = Measures(executions=20, events=320, seconds=0)


@pytest.fixture(scope="module")
def counters(server: Server, project: Project, office: str) -> Iterator[Counters]:
    before = [info.name for info in list_databases(server)]
    yield run_counters(server, project, read_ways(project.bench / "counters", (*WAYS, *LISTS)), SHORT, office=office)
    assert [info.name for info in list_databases(server)] == before


@pytest.fixture(scope="module")
def by_name(counters: Counters) -> dict[str, WayCost]:
    return {cost.way.name: cost for cost in counters.costs}


def test_no_way_that_is_to_be_right_drifts_and_the_control_is_caught(
    counters: Counters, by_name: dict[str, WayCost]
) -> None:
    counters.require()
    assert {name: cost.drift for name, cost in by_name.items() if name != "read_modify_write"} == {
        "on_demand": 0,
        "column_with_clocks": 0,
        "column_trigger": 0,
        "inbox_slots": 0,
        "list_indexed": 0,
        "list_rows_trigger": 0,
        "list_rows_application": 0,
    }
    assert by_name["read_modify_write"].drift > 0


def test_reads_of_what_is_kept_cost_less(by_name: dict[str, WayCost]) -> None:
    """And counting where nobody has looked for long costs by the message; slots are one page for any inbox."""
    base, column = by_name["on_demand"].reads, by_name["column_with_clocks"].reads
    assert base["neglected"] > 5 * base["page"] > 100 * column["page"]
    assert column["badge"] * 100 < base["badge"]
    assert by_name["inbox_slots"].reads["badge"] <= 2


def test_a_counter_that_rides_along_costs_a_message_no_further_update(by_name: dict[str, WayCost]) -> None:
    base, along, apart = (by_name[name].events["arrive"] for name in ("on_demand", *WAYS[:2]))
    assert (base.updates, along.updates, apart.updates) == (1.0, 1.0, 2.0)
    assert along.wal_bytes < 1.05 * base.wal_bytes
    assert apart.wal_bytes > 1.1 * base.wal_bytes
    assert base.hot == along.hot == 0
    assert apart.hot is not None
    assert apart.hot > 0


def test_a_list_row_goes_stale_where_nobody_thought_of_a_name(by_name: dict[str, WayCost]) -> None:
    """What triggers keep is right; it is written for each of the colleague's conversations."""
    assert (by_name["list_indexed"].stale, by_name["list_rows_trigger"].stale) == (0, 0)
    assert by_name["list_rows_application"].stale == 15
    assert by_name["list_rows_trigger"].events["rename"].updates == 16
    assert by_name["list_rows_trigger"].reads["page"] * 20 < by_name["list_indexed"].reads["page"]


def test_a_way_that_answers_otherwise_is_refused(server: Server, project: Project, office: str, tmp_path: Path) -> None:
    for name in ("on_demand", "list_indexed", "side_row"):
        text = (project.bench / "counters" / f"{name}.sql").read_text()
        (tmp_path / f"{name}.sql").write_text(
            text.replace("SELECT conversation_id, unread", "SELECT conversation_id, 9")
        )
    with pytest.raises(SubjectFailed, match=r"side_row\.sql: page has other rows than the way that keeps nothing"):
        run_counters(server, project, read_ways(tmp_path, ["side_row"]), SHORT, office=office)


def test_the_command(server: Server, tmp_path: Path) -> None:
    page = tmp_path / "counters.md"
    arguments = ["counters", "inbox_row", "--executions", "20", "--events", "32", "--seconds", "1", "--clients", "2"]
    shown = CliRunner().invoke(
        command, [*arguments, "--format", "json", "--output", str(page), "--server", server.base]
    )
    assert shown.exit_code == 0, shown.output
    document = json.loads(shown.stdout)
    assert [way["name"] for way in document["ways"]] == ["on_demand", "inbox_row"]
    (crowd,) = document["ways"][1]["crowds"]
    assert crowd["clients"] == 2
    assert crowd["per_s"] > 0
    assert "| → on\\_demand |" in page.read_text()
    assert "2 clients/s" in page.read_text()


@pytest.mark.parametrize("clients", ["1,many", "0", "65"])
def test_wrong_clients_are_refused_before_a_server_is_started(clients: str) -> None:
    refused = CliRunner().invoke(command, ["counters", "--clients", clients, "--server", "bin:/nowhere"])
    assert isinstance(refused.exception, UsageError)
    assert clients in str(refused.exception)
