"""The mix of requests as a person states it: read, checked against what is measured, spread over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.workload.mix import DEFAULT, check_weights, mixed, parse_weights, project_weights
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.sqlfile import QueryFile

QUERIES = [("list_all", "list"), ("list_mine", "list"), ("search_word", "search")]
WRITES = [("insert_message", "insert"), ("assign", "update")]


def files(items: list[tuple[str, str]]) -> list[QueryFile]:
    return [QueryFile(Path(), name, name, family, (), {}, ("x",), "ordered", "") for name, family in items]


def test_a_family_is_spread_over_its_members_and_all_shares_are_one() -> None:
    mix = mixed(parse_weights("list=60,search=15,writes=20,assign=5"), QUERIES, WRITES)
    assert mix.reads == {"list_all": 0.3, "list_mine": 0.3, "search_word": 0.15}
    assert mix.writes == pytest.approx({"insert_message": 0.1, "assign": 0.15})
    assert sum(mix.reads.values()) + mix.write_share == pytest.approx(1)
    assert mix.text == "list 60%, search 15%, writes 20%, assign 5%"


def test_two_numbers_are_reads_and_writes() -> None:
    mix = mixed(parse_weights("3:1"), QUERIES, WRITES)
    assert mix.reads == dict.fromkeys(("list_all", "list_mine", "search_word"), 0.25)
    assert mix.write_share == 0.25


def test_what_was_not_measured_counts_for_nothing() -> None:
    assert mixed(parse_weights("list=50,unread=50"), QUERIES, []).reads == {"list_all": 0.5, "list_mine": 0.5}
    assert mixed(parse_weights("unread=1"), QUERIES, []).text == "reads 100%"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("list", "--mix: 'list' is not name=weight, such as list=60; or give reads:writes, such as 80:20"),
        ("list=60,", "--mix: '' is not name=weight"),
        ("list=-1", "--mix: list=-1 is no weight; give a number from 0 on"),
        ("list=nan", "--mix: list=nan is no weight"),
        ("80:many", "--mix: writes=many is no weight"),
        ("list=0,writes=0", "--mix: every weight is 0; give at least one above"),
        ("list=1,list=2", "--mix: 'list' is given twice; keep one"),
    ],
)
def test_what_is_no_mix_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_weights(text)
    assert message in str(caught.value)


def test_a_word_that_stands_for_nothing_is_named() -> None:
    with pytest.raises(UsageError, match="unknown query, write or family 'serch'; did you mean 'search'"):
        check_weights({"serch": 1}, files(QUERIES), files(WRITES))
    with pytest.raises(UsageError, match="no writes to weigh; leave out --no-writes"):
        check_weights({"writes": 1}, files(QUERIES), [])
    check_weights(parse_weights("list=1,assign=1,reads=1"), files(QUERIES), files(WRITES))


def test_a_project_states_its_own(tmp_path: Path, project: Project) -> None:
    (tmp_path / "bench").mkdir()
    own = Project(tmp_path)
    assert project_weights(own) == DEFAULT
    path = tmp_path / "bench" / "mix.toml"
    path.write_text("[mix]\nlist = 3\nwrites = 1.5\n", encoding="utf-8")
    assert project_weights(own) == {"list": 3.0, "writes": 1.5}
    path.write_text("[mix]\nlist = -3\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mix.toml \[mix\]: list=-3 is no weight"):
        project_weights(own)
    path.write_text("[mixed]\nlist = 3\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"there is no \[mix\]"):
        project_weights(own)
    assert project_weights(project)["list"] > 0
