"""Rules in files: each mistake is named with its file and way; every call that exists is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.messenger.costs.rules import CALLS, read_rules
from inboxbench.project import Project, find_project

GOOD = """\
-- title: an agent looks
-- unit: look
-- ids: C6

--- setup
SELECT 1;

--- way on-demand
-- meaning: the time is written
-- ours: yes
-- atlas: unread / increment
--- setup
SELECT 2;
--- act
UPDATE conversations SET agent_last_seen_at = now() WHERE id = :conversation;

--- way posted
-- meaning: a message
-- call: post
-- units: 10
"""


def _project(folder: Path, text: str) -> Project:
    (folder / "bench" / "costs").mkdir(parents=True)
    (folder / "bench" / "costs" / "look.sql").write_text(text)
    return Project(folder)


def test_a_rule_has_its_ways(tmp_path: Path) -> None:
    rule = read_rules(_project(tmp_path, GOOD))["look"]
    kept, posted = rule.alternatives
    assert (rule.title, rule.unit, rule.ids) == ("an agent looks", "look", ("C6",))
    assert (kept.name, kept.ours, kept.atlas, kept.setup) == (
        "on-demand",
        True,
        ("unread", "increment"),
        "SELECT 1;\nSELECT 2",
    )
    assert (posted.ours, posted.atlas, posted.setup, posted.units) == (False, None, "SELECT 1", 10)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-- call: post", "-- call: pots", "look.sql way posted: unknown call 'pots'; did you mean 'post'"),
        ("-- call: post", "-- strategy: naiv", "names no strategies"),
        ("-- call: post\n", "", "look.sql way posted: it does nothing"),
        (":conversation", ":conversatoin", "look.sql way on-demand: no earlier statement gives 'conversatoin'"),
        ("-- unit: look\n", "", "look.sql header: key 'unit' is missing"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_way(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as error:
        read_rules(_project(tmp_path, GOOD.replace(old, new)))
    assert said in str(error.value)


def test_every_call_is_used() -> None:
    texts = "".join(path.read_text() for path in (find_project().bench / "costs").glob("*.sql"))
    assert [name for name in CALLS if f"-- call: {name}\n" not in texts] == []
