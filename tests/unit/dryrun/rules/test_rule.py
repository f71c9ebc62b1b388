"""Rules are found by themselves, and nothing but its own module knows one by its id."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from inboxbench import dryrun
from inboxbench.dryrun.rules import RULES
from inboxbench.dryrun.rules.rule import Group

PACKAGE = Path(dryrun.__path__[0]).parent


def test_each_rule_is_a_module_that_is_called_like_it() -> None:
    names = {rule.id.replace("-", "_") for rule in RULES.values()}
    modules = {
        path.stem for path in (PACKAGE / "dryrun" / "rules").glob("*.py") if "RULE = " in path.read_text("utf-8")
    }
    assert names == modules
    assert len(names) == 23


def test_rules_are_listed_by_what_they_look_at() -> None:
    groups = [get_args(Group).index(rule.group) for rule in RULES.values()]
    assert groups == sorted(groups)


def test_no_other_code_compares_the_id_of_a_rule() -> None:
    quoted = {f'"{name}"' for name in RULES}
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name != "rules" and "messenger" not in path.parts:
            text = path.read_text("utf-8")
            assert not {name for name in quoted if name in text} - {'"deadlock"'}, path
