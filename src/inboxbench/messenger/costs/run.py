"""Every rule with every alternative, each on a clone of one office of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import psycopg

from inboxbench.database import connect, scratch_database
from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.messenger.costs.counters import measure
from inboxbench.messenger.costs.holding import ACTIVITY, AUTOMATIC, MUTE, SNOOZE, TAKE
from inboxbench.messenger.costs.posting import CLOCKS, DELIVERY, FLOOD, NOTIFICATION, REDELIVERY
from inboxbench.messenger.costs.reading import ARRIVAL, LOOK, PAGE
from inboxbench.messenger.costs.rule import CONVERSATIONS, Alternative, Rule
from inboxbench.messenger.races import FAMILIES
from inboxbench.project import Project, find_project
from inboxbench.server import Server, reason

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        *(CLOCKS, NOTIFICATION, FLOOD, DELIVERY, REDELIVERY, ARRIVAL, PAGE, LOOK),
        *(TAKE, AUTOMATIC, ACTIVITY, MUTE, SNOOZE),
    )
}
# Executions measured, where one does one thing: all of the office's conversations but those that warm up.
EXECUTIONS = 200


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one unit of a rule costs this way. atlas: where it is explored; safe: whether it holds at READ COMMITTED
    there, None where nothing races or nothing explores it."""

    rule: str
    alternative: str
    ours: bool
    atlas: str | None
    safe: bool | None
    statements: float
    buffers: float
    wal_bytes: float
    ms: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def find_rules(names: Iterable[str]) -> tuple[Rule, ...]:
    """Rules by name, all of them for none. Raises UsageError naming the nearest known."""
    for name in names:
        if name not in RULES:
            raise unknown("rule", name, RULES)
    return tuple(RULES[name] for name in names) or tuple(RULES.values())


def holds(atlas: tuple[str, str] | None) -> bool | None:
    """Whether an entry of the atlas is safe at READ COMMITTED, as it claims and the atlas' tests check."""
    found = [e for f in FAMILIES for e in f.entries if (f.name, e.name) == atlas]
    return "rc" in found[0].safe if found else None


def run_costs(
    server: Server,
    *,
    rules: Sequence[Rule] = tuple(RULES.values()),
    executions: int = EXECUTIONS,
    project: Project | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[CostRow]:
    """Every alternative of `rules`, in databases that are dropped. `progress` gets a line before each.

    Raises UsageError for a number of executions that the office has not enough conversations for.
    """
    if not 1 <= executions <= EXECUTIONS:
        raise UsageError(
            f"executions: {executions} is outside 1 … {EXECUTIONS}; the office has {CONVERSATIONS} conversations"
        )
    with scratch_database(server, "costs") as office:
        _build(server.conninfo(office), project or find_project())
        return list(_rows(server, office, rules, executions, progress or (lambda _line: None)))


def _build(conninfo: str, project: Project) -> None:
    with closing(connect(conninfo)) as builder:
        builder.execute((project.schema / "head.sql").read_bytes())
        builder.execute((files("inboxbench.messenger.costs") / "office.sql").read_bytes())
        builder.execute("VACUUM (ANALYZE)")


def _rows(
    server: Server, office: str, rules: Sequence[Rule], executions: int, progress: Callable[[str], None]
) -> Iterator[CostRow]:
    for rule in rules:
        for way in rule.alternatives:
            progress(f"{rule.title}: {way.meaning}")
            yield _row(server, office, rule, way, executions)


def _row(server: Server, office: str, rule: Rule, way: Alternative, executions: int) -> CostRow:
    with scratch_database(server, "costs", office) as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as builder:
            builder.execute(way.setup.encode())
            builder.execute("VACUUM (ANALYZE)")
        try:
            cost = measure(conninfo, way.act, max(executions // way.units, 1), way.units)
        except psycopg.Error as error:
            raise SubjectFailed(f"rule {rule.name!r}, {way.name!r}: {reason(error)}") from None
    atlas = " / ".join(way.atlas) if way.atlas else None
    return CostRow(rule.name, way.name, way.ours, atlas, holds(way.atlas), **asdict(cost))
