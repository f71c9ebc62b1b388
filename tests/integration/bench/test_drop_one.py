"""Drop-one on a filled messenger: needed, redundant, unused and harmful indexes are told apart, and together again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.schemas import check_document, undocumented

from inboxbench.bench import Ablation, run_ablation
from inboxbench.bench.sets.indexset import Index, IndexSet
from inboxbench.cli.bench.command import command
from inboxbench.database import list_databases
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.server import Server

# Two that stand in for each other, one that alone serves its query, one that no measured query can use.
TWIN = Index("thread_by_time", "messages (conversation_id, created_at)")
OTHER = Index("thread_by_time_again", "messages (conversation_id, created_at)")
LIST = Index("list_in_order", "conversations (account_id, status, last_activity_at DESC NULLS LAST)")
IDLE = Index("by_rating", "conversations (rating_score)", serves=("ratings",))
MIXED = IndexSet("mixed", "a mixed set", "", (TWIN, OTHER, LIST, IDLE))


@pytest.fixture(scope="module")
def mixed(server: Server, filled: str, project: Project) -> Ablation:
    return run_ablation(server, filled, project, MIXED, queries=["list_all", "thread_latest"])


def test_words_for_what_each_index_is(mixed: Ablation) -> None:
    assert mixed.failures == ()
    words = {one.names[0]: one.word for one in mixed.removals}
    assert words["list_in_order"] == "needed"
    assert words["by_rating"] == "unused"
    assert {words["thread_by_time"], words["thread_by_time_again"]} == {"redundant", "unused"}


def test_a_needed_index_names_the_query_that_loses_and_its_plans(mixed: Ablation) -> None:
    needed = mixed.called("needed")[0]
    assert needed is mixed.ranked[0]
    worst = needed.loses[0].to_json()
    assert worst["query"] == "list_all"
    assert worst["after"] > worst["before"]
    assert "list_in_order" in worst["plan_before"]
    assert "list_in_order" not in worst["plan_after"]
    assert needed.used_by


def test_two_that_stand_in_for_each_other_are_missed_together(mixed: Ablation) -> None:
    assert mixed.together is not None
    assert set(mixed.together.names) == {"thread_by_time", "thread_by_time_again", "by_rating"}
    assert mixed.together.word == "needed"
    assert mixed.together.loses[0].before.case.query.name == "thread_latest"
    assert "they stand in for each other" in (mixed.outlook or "")


def test_writes_and_disk_gain(mixed: Ablation) -> None:
    saved = {one.names[0]: one for one in mixed.removals}
    assert all(one.saved > 0 for one in mixed.removals)
    assert (saved["thread_by_time"].insert_wal or 0) > 30
    assert (saved["by_rating"].insert_wal or 0) < (saved["thread_by_time"].insert_wal or 0) + 100
    hot = {change.before.name: change for change in saved["list_in_order"].writes}["insert_message"]
    assert (hot.before.hot_share or 0) < 0.1
    assert (hot.after.hot_share or 0) > 0.9


def test_counters_are_those_of_a_set_built_without_the_index(
    server: Server, filled: str, project: Project, mixed: Ablation
) -> None:
    """A clone with DROP INDEX is the same as a copy on which the index was never built."""
    smaller = IndexSet("smaller", "smaller", "", (TWIN, LIST, IDLE))
    built = run_ablation(server, filled, project, smaller, queries=["list_all", "thread_latest"], writes=False)
    dropped = next(one for one in mixed.removals if one.names == ("thread_by_time_again",))
    figures = {change.before.case.name: change.before for change in built.removals[0].changes}
    for change in dropped.changes:
        assert change.after.plan is not None
        plan = figures[change.after.case.name].plan
        assert plan is not None
        assert (change.after.plan.buffers, change.after.plan.line) == (plan.buffers, plan.line)


def test_an_index_that_lures_the_planner_is_harmful(server: Server, _late: str, project: Project) -> None:
    """P2.1b: created_at over all conversations, where a long conversation ended before everything else was written."""
    lure = Index("everywhere", "messages (created_at)")
    thread = Index("of_conversation", "messages (conversation_id)")
    trap = IndexSet("trap", "a trap", "", (lure, thread))
    found = run_ablation(server, _late, project, trap, queries=["thread_latest"], writes=False)
    harmful, needed = found.removals
    assert harmful.word == "harmful", found.to_json()
    assert harmful.gains[0].ratio < 0.5
    assert needed.word == "needed"


def test_nothing_is_left_behind(server: Server, filled: str, project: Project) -> None:
    before = {info.name for info in list_databases(server)}
    one = IndexSet("one", "one", "", (LIST,))
    found = run_ablation(server, filled, project, one, queries=["list_all"], writes=False)
    assert {info.name for info in list_databases(server)} == before
    assert found.together is None
    assert found.outlook is None
    assert found.headline == "1 of 1 indexes of one are needed."


def _invoke(server: Server, filled: str, *arguments: str) -> Result:
    given = ("drop-one", "--server", server.url("postgres"), "--database", filled, *arguments)
    return CliRunner().invoke(command, given)


def test_table_and_json(server: Server, filled: str, tmp_path: Path) -> None:
    path = tmp_path / "drop.json"
    options = ("--queries", "list_all", "--no-writes", "--output", str(path))
    result = _invoke(server, filled, "recommended_covering_thread", *options)
    assert result.exit_code == 0, result.output
    assert "thread index with passengers: without each index in turn, the most missed first" in result.stdout
    assert "nothing; it is there for users of an account" in result.stdout
    (found,) = json.loads(path.read_text(encoding="utf-8"))["drop_one"]
    assert found["set"] == "recommended_covering_thread"
    assert {one["verdict"] for one in found["removals"]} <= {"needed", "harmful", "redundant", "unused"}
    assert found["removals"][0]["loses"][0]["ratio"] >= 1.1


def test_an_unknown_set_is_one_line(server: Server, filled: str) -> None:
    error = _invoke(server, filled, "recomended").exception
    assert isinstance(error, UsageError)
    assert "unknown index set 'recomended'; did you mean 'recommended'?" in str(error)


def test_the_record_follows_its_schema_to_the_last_key(mixed: Ablation) -> None:
    document = json.loads(json.dumps({"schema_version": 1, "drop_one": [mixed.to_json()]}))
    check_document("drop_one", document)
    assert undocumented("drop_one", document) == []
