"""Freshness decay on a filled messenger: the same twice, found where indexes age, healed by VACUUM where it can be."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result
from tests.schemas import check_document, undocumented

from inboxbench.bench import Decay, run_decay
from inboxbench.bench.workload.churn import Churn
from inboxbench.cli.bench.command import command
from inboxbench.database import list_databases
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.project import Project
from inboxbench.server import Server

CHURN = Churn({"insert_message": 300, "mark_read": 200, "assign": 200})
SETS = ["owners", "recommended"]


@pytest.fixture(scope="module")
def aged(server: Server, filled: str, project: Project) -> Decay:
    return run_decay(server, filled, project, CHURN, sets=SETS)


def test_all_cells_are_read_three_times(aged: Decay) -> None:
    aged.require_sound()
    assert len({(cell.case.name, cell.index_set) for cell in aged.cells}) == len(aged.cells)
    assert {cell.index_set for cell in aged.cells} == set(SETS)
    for cell in aged.cells:
        for reading in (cell.fresh, cell.churned, cell.vacuumed):
            assert reading.buffers
            assert reading.first
        assert cell.churned.answer == cell.vacuumed.answer


def test_the_churn_is_the_same_twice(server: Server, filled: str, project: Project, aged: Decay) -> None:
    """To the last buffer: the same writes on the same rows in the same order leave the same pages."""
    again = run_decay(server, filled, project, CHURN, sets=SETS)
    for cell, other in zip(aged.cells, again.cells, strict=True):
        assert cell.name == other.name
        for before, after in (
            (cell.fresh, other.fresh),
            (cell.churned, other.churned),
            (cell.vacuumed, other.vacuumed),
        ):
            assert (before.buffers, before.first, before.plan) == (after.buffers, after.first, after.plan), cell.name
    assert [(one.updates, one.churned_bytes) for one in again.sets] == [
        (one.updates, one.churned_bytes) for one in aged.sets
    ]


def test_a_search_index_decays_by_its_pending_list_and_vacuum_heals_it(aged: Decay) -> None:
    """GIN parks the words of new messages in a list that every search walks until VACUUM merges it."""
    cell = next(c for c in aged.cells if c.name == "search_word [absent] under recommended")
    assert cell.ratio is not None
    assert cell.ratio > 1.5
    assert cell.left is not None
    assert cell.left < cell.ratio


def test_worst_comes_first_and_is_the_headline(aged: Decay) -> None:
    ratios = [cell.ratio for cell in aged.worst_first]
    assert ratios == sorted(ratios, key=lambda ratio: ratio or 0, reverse=True)
    assert aged.headline.startswith("After 300 × insert_message, 200 × mark_read, 200 × assign, ")
    assert aged.worst_first[0].name in aged.headline


def test_hot_share_tells_who_pays_for_the_list_order(aged: Decay) -> None:
    shares = {one.index_set.name: one.updates.hot_share or 0 for one in aged.sets}
    assert shares["recommended"] < shares["owners"]
    assert all(one.churned_bytes >= one.fresh_bytes for one in aged.sets)


def test_nothing_is_left_behind_and_the_source_is_unchanged(server: Server, filled: str, project: Project) -> None:
    before = {info.name for info in list_databases(server)}
    churn = Churn({"mark_read": 1})
    found = run_decay(server, filled, project, churn, sets=["baseline"], queries=["list_all"])
    assert {info.name for info in list_databases(server)} == before
    assert all(cell.ratio == 1.0 for cell in found.cells)


def _invoke(server: Server, filled: str, *arguments: str) -> Result:
    given = ("decay", "--server", server.url("postgres"), "--database", filled, *arguments)
    return CliRunner().invoke(command, given)


def test_table_and_json(server: Server, filled: str) -> None:
    options = ("--sets", "recommended", "--queries", "search_word", "--churn", "insert_message=200")
    result = _invoke(server, filled, *options)
    assert result.exit_code == 0, result.output
    assert "buffers before and after 200 × insert_message, the worst first" in result.stdout
    assert "geometric means over all cells" in result.stdout
    document = json.loads(_invoke(server, filled, *options, "--format", "json").stdout)
    found = document["decay"]
    assert found["churn"] == {"insert_message": 200}
    ratios = [cell["ratio"] for cell in found["cells"]]
    assert ratios == sorted(ratios, reverse=True)
    assert {"fresh", "churned", "vacuumed", "ratio_after_vacuum", "flips"} <= set(found["cells"][0])
    assert found["sets"][0]["bytes_churned"] >= found["sets"][0]["bytes_fresh"]


def test_bad_input_is_one_line(server: Server, filled: str) -> None:
    error = _invoke(server, filled, "--churn", "mark_red=5").exception
    assert isinstance(error, UsageError)
    assert "did you mean 'mark_read'?" in str(error)
    misplaced = CliRunner().invoke(command, ("--seed", "2", "decay")).exception
    assert str(misplaced) == "--seed stands before 'decay'; put it behind: inboxbench bench decay --seed …"


def test_a_write_that_fails_is_named(server: Server, filled: str, own_project: Project) -> None:
    path = own_project.bench / "writes" / "mark_read.sql"
    path.write_text(path.read_text(encoding="utf-8").replace("now()", "'never'"), encoding="utf-8")
    with pytest.raises(SubjectFailed, match=r"mark_read\.sql: invalid input syntax"):
        run_decay(server, filled, own_project, Churn({"mark_read": 1}), sets=["baseline"], queries=["list_all"])


def test_the_record_follows_its_schema_to_the_last_key(aged: Decay) -> None:
    document = json.loads(json.dumps({"schema_version": 1, "decay": aged.to_json()}))
    check_document("decay", document)
    assert undocumented("decay", document) == []
