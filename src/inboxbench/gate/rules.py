"""The rules that a database itself enforces: read from its catalogue, and held against those of a baseline.

A rule that is gone, weaker or another one closes the gate; one that is new or stronger does not. Keys, checks and
exclusions are known by what they say, so that a renamed one is none that is gone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from inboxbench.catalog.model import BOOKKEEPING
from inboxbench.database import Connection
from inboxbench.gate.change import Change, note

# By relation, then by `kind name`, what the rule says.
Rules = Mapping[str, Mapping[str, str]]

_SQL = Path(__file__).with_name("rules.sql")
_BY_WORDS = ("check", "foreign key", "exclusion", "unique")
_WEAK = re.compile(r" (NOT VALID|DISABLED|ON REPLICAS|NOT ENFORCED|DEFERRABLE(?: INITIALLY DEFERRED)?)\b")
_STRONG = re.compile(r" (NULLS NOT DISTINCT|ALWAYS$)")
_FUNCTION, _BODY = "function ", "body "


def read_rules(connection: Connection) -> dict[str, dict[str, str]]:
    """Read the rules of every schema but PostgreSQL's own and the tables in which migrations keep their books."""
    rules: dict[str, dict[str, str]] = {}
    with connection.transaction():
        connection.execute("SELECT set_config('search_path', '', true)")
        statement = _SQL.read_text(encoding="utf-8")
        for relation, kind, name, definition in connection.execute(
            statement.encode(), {"ignored": sorted(BOOKKEEPING)}
        ):
            rules.setdefault(relation, {})[f"{kind} {name}"] = " ".join(definition.split())
    return rules


def compare_rules(before: Rules, now: Rules) -> Iterator[Change | None]:
    """Yield what became of each rule of the baseline (None: it is as it was), and a remark on each new one."""
    for relation in sorted(before.keys() | now.keys()):
        old, new = before.get(relation, {}), now.get(relation, {})
        if not new and not relation.startswith(_FUNCTION):  # what called it is named itself
            yield _relation_gone(relation, old)
        elif not old:
            yield note(relation, "rule", f"is new, with {len(new)} rules: {', '.join(sorted(new))}")
        elif new:
            yield from _of_relation(relation, old, new)


def _relation_gone(relation: str, old: Mapping[str, str]) -> Change:
    what = "has no rule any more" if len(old) > 1 else "has lost its rule"
    return _worse(relation, "", f"rule gone: it {what}: {'; '.join(f'{name}: {said}' for name, said in old.items())}")


def _of_relation(relation: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change | None]:
    renamed = Counter(_meaning(name, said) for name, said in new.items() if old.get(name) != said)
    for name, said in sorted(old.items()):
        meaning = _meaning(name, said)
        if new.get(name) == said:
            yield None
        elif renamed[meaning] > 0:
            renamed[meaning] -= 1
            yield None
        elif name not in new:
            yield _worse(relation, name, f"rule gone: {said}")
        else:
            yield _changed(relation, name, said, new[name])
    known = Counter(_meaning(name, said) for name, said in old.items())
    for name, said in sorted(new.items()):
        if name not in old and not known[_meaning(name, said)]:
            yield note(f"{relation}/{name}", "rule", f"is a new rule: {said}")


def _meaning(name: str, said: str) -> tuple[str, str]:
    """Tell what a rule is known by: its words where a name means nothing, else both."""
    kind = next((kind for kind in _BY_WORDS if name.startswith(kind + " ")), name)
    return kind, said


def _changed(relation: str, name: str, said: str, now: str) -> Change:
    where = f"{relation}/{name}"
    if name.startswith(_BODY):
        return note(where, "rule", "has another body: what the rules that call it say may be another thing")
    if _core(said) != _core(now):
        return _worse(relation, name, f"rule changed: {said} → {now}")
    weaker = _words(_WEAK, now) - _words(_WEAK, said) or _words(_STRONG, said) - _words(_STRONG, now)
    if weaker:
        return _worse(relation, name, f"rule weakened: {said} → {now}")
    return Change("better", where, "rule", None, None, 1.0, f"the rule is stronger: {said} → {now}")


def _core(said: str) -> str:
    return _STRONG.sub("", _WEAK.sub("", said))


def _words(pattern: re.Pattern[str], said: str) -> set[str]:
    return set(pattern.findall(said))


def _worse(relation: str, name: str, text: str) -> Change:
    return Change("worse", f"{relation}/{name}".rstrip("/"), "rule", None, None, 1.0, text)


def kept_rules(before: Rules, now: Rules) -> dict[str, dict[str, str]]:
    """Return the rules for a baseline that nobody accepted anything for: the new ones and, unless they are stronger
    now, the old ones as they were."""
    kept = {relation: dict(rules) for relation, rules in now.items()}
    for relation, old in before.items():
        if relation not in now:
            kept[relation] = dict(old)
            continue
        for change in _of_relation(relation, old, now[relation]):
            name = change.where.removeprefix(f"{relation}/") if change else ""
            if change and change.verdict == "worse":
                kept[relation][name] = old[name]
    return kept
