"""Measures every rule with every alternative, each on a clone of one office."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing

import psycopg

from inboxbench.database import connect, scratch_database
from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.messenger.costs.holding import ACTIVITY, AUTOMATIC, MUTE, SNOOZE, TAKE
from inboxbench.messenger.costs.measure import CONVERSATIONS, Alternative, CostRow, Rule, measure, open_rules_office
from inboxbench.messenger.costs.posting import CLOCKS, DELIVERY, FLOOD, NOTIFICATION, REDELIVERY
from inboxbench.messenger.costs.reading import ARRIVAL, LOOK, PAGE
from inboxbench.project import Project, find_project
from inboxbench.race.atlas import find_families
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


def find_rules(names: Iterable[str]) -> tuple[Rule, ...]:
    """Return rules by name, all for no name. Raises UsageError naming the nearest known."""
    for name in names:
        if name not in RULES:
            raise unknown("rule", name, RULES)
    return tuple(RULES[name] for name in names) or tuple(RULES.values())


def holds(atlas: tuple[str, str] | None) -> bool | None:
    """Return whether an entry of the atlas is safe at READ COMMITTED, as it claims and the atlas' tests check."""
    if atlas is None:
        return None
    (family,) = find_families(find_project(), [atlas[0]])
    return next("rc" in entry.safe for entry in family.entries if entry.name == atlas[1])


def run_costs(
    server: Server,
    *,
    rules: Sequence[Rule] = tuple(RULES.values()),
    executions: int = EXECUTIONS,
    project: Project | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[CostRow]:
    """Measure every alternative of `rules`, in databases that are dropped. `progress` gets a line before each.

    Raises UsageError for a number of executions that the office has not enough conversations for.
    """
    if not 1 <= executions <= EXECUTIONS:
        raise UsageError(
            f"executions: {executions} is outside 1 … {EXECUTIONS}; the office has {CONVERSATIONS} conversations"
        )
    with open_rules_office(server, project or find_project()) as office:
        return list(_rows(server, office, rules, executions, progress or (lambda _line: None)))


def _rows(
    server: Server, office: str, rules: Sequence[Rule], executions: int, progress: Callable[[str], None]
) -> Iterator[CostRow]:
    for rule in rules:
        for alternative in rule.alternatives:
            progress(f"{rule.title}: {alternative.meaning}")
            yield _row(server, office, rule, alternative, executions)


def _row(server: Server, office: str, rule: Rule, alternative: Alternative, executions: int) -> CostRow:
    with scratch_database(server, "costs", office) as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as builder:
            builder.execute(alternative.setup.encode())
            builder.execute("VACUUM (ANALYZE)")
        try:
            cost = measure(conninfo, alternative.act, max(executions // alternative.units, 1), alternative.units)
        except psycopg.Error as error:
            raise SubjectFailed(f"rule {rule.name!r}, {alternative.name!r}: {reason(error)}") from None
    atlas = " / ".join(alternative.atlas) if alternative.atlas else None
    return CostRow(
        rule=rule.name,
        alternative=alternative.name,
        ours=alternative.ours,
        atlas=atlas,
        safe=holds(alternative.atlas),
        statements=cost.statements,
        buffers=cost.buffers,
        wal_bytes=cost.wal_bytes,
        ms=cost.ms,
    )
