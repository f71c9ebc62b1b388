"""classes.toml: the key that an error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.workload.queries import read_classes, read_workload
from inboxbench.errors import UsageError
from inboxbench.project import Project

GOOD = '[huge]\ntitle = "the largest"\ndraws = ["accounts"]\nname = { account = "huge" }\n'


def write(folder: Path, text: str) -> Path:
    (folder / "draws").mkdir()
    (folder / "draws" / "accounts.sql").write_text("SELECT 1 AS huge")
    path = folder / "classes.toml"
    path.write_text(text)
    return path


def test_good_class(tmp_path: Path) -> None:
    found = read_classes(write(tmp_path, GOOD))["huge"]
    assert (found.title, found.draws, dict(found.aliases)) == ("the largest", ("accounts",), {"account": "huge"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("title", "titel"), "[huge]: unknown key 'titel'; did you mean 'title'?"),
        (('draws = ["accounts"]', "draws = []"), "[huge] draws: missing; name at least one file of draws/"),
        (('"accounts"', '"account"'), "[huge] draws: unknown draw 'account'; did you mean 'accounts'?"),
        (('"the largest"', "1"), "[huge] title: expected a string, found a whole number"),
        (("[huge]", "huge = 3\n[other]"), "[huge]: expected a table"),
        (("[huge]", "[huge"), "not TOML"),
    ],
)
def test_errors_name_the_key(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = write(tmp_path, GOOD.replace(*change))
    with pytest.raises(UsageError) as caught:
        read_classes(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_workload_can_be_narrowed_to_queries_and_families(project: Project) -> None:
    assert {query.family for query in read_workload(project, ["search"]).queries} == {"search"}
    assert [query.name for query in read_workload(project, ["list_all"]).queries] == ["list_all"]
    assert [found.name for found in read_workload(project, ["list_all"]).classes] == ["tiny", "median", "huge"]


def test_unknown_query_suggests_the_nearest(project: Project) -> None:
    with pytest.raises(UsageError, match="unknown query 'serach'; did you mean 'search'"):
        read_workload(project, ["serach"])


def test_three_families_with_several_classes_each(project: Project) -> None:
    workload = read_workload(project)
    classes: dict[str, set[str]] = {}
    for query in workload.queries:
        classes.setdefault(query.family, set()).update(query.classes)
    assert {"tiny", "median", "huge"} <= classes["list"]
    assert {"tiny", "median", "huge"} <= classes["unread"]
    assert {"frequent_ru", "frequent_en", "middle_ru", "uncommon_ru", "rare_ru", "absent"} <= classes["search"]
    assert {"longest", "longest_old", "short"} <= classes["thread"]
